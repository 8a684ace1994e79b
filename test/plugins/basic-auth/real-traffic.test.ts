// basic-auth in a real Weldr: no order, spelling, protocol or retry gets past it, and guesses hold up no other client.
import * as assert from 'uvu/assert';
import { when } from '../../../config/index.ts';
import { basicAuth, retry, roundRobin } from '../../../plugins/index.ts';
import { withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { RawClient } from '../../wire/support/raw-client.ts';

const test = suite('basic-auth with real traffic');

/** Of `open sesame`. */
const sesame = '$2b$04$L7rDxBXJI/rC75nE4MHVB.AZPQf0kn7WZ1OZw7C6nr.iDArP5823e';
const authorization = `Basic ${Buffer.from('ada:open sesame').toString('base64')}`;
const wrong = `Basic ${Buffer.from('ada:open').toString('base64')}`;
const listen = [{ address: '127.0.0.1:0', h2c: true }];

test('guards its paths in every spelling and protocol, wherever it is, and sends the server no password', async () => {
  const origin = await startOrigin();
  const dead = `http://127.0.0.1:${await freePort()}`;
  const guard = when(
    { path: '/headers' },
    basicAuth({ users: { ada: sesame }, userHeader: 'X-Forwarded-User' }),
  );
  try {
    for (const plugins of [
      [guard, roundRobin(), retry()],
      [retry(), roundRobin(), guard],
    ]) {
      await withWeldr({ listen, servers: [dead, origin.url], plugins }, async ({ port, url }) => {
        const before = origin.requests;
        for (const path of [
          '/headers',
          '/HEADERS/',
          '/%68eaders',
          '//headers',
          '/x/../headers',
          '/headers;a=b',
        ]) {
          for (const field of ['', `Authorization: ${wrong}\r\n`]) {
            const client = await RawClient.open(port);
            client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n${field}\r\n`);
            assert.match((await client.response()).line, / 40[01] /, path);
            client.close();
          }
          assert.match(String((await h2Exchange(url, { ':path': path })).status), /^40[01]$/, path);
        }
        assert.is(origin.requests, before);
        for (let n = 0; n < 2; n++) {
          const response = await fetchOnce(`${url}/headers`, { headers: { authorization } });
          const sent = (await response.json()) as Record<string, string>;
          assert.equal(
            [response.status, sent['authorization'], sent['x-forwarded-user']],
            [200, undefined, 'ada'],
          );
        }
        const h2 = await h2Exchange(url, { ':path': '/headers', authorization });
        assert.is(JSON.parse(h2.body.toString())['x-forwarded-user'], 'ada');
      });
    }
  } finally {
    await origin.close();
  }
});

test('keeps serving while many guess, and drops checks of clients that left', async () => {
  const origin = await startOrigin();
  const slow = '$2b$12$L7rDxBXJI/rC75nE4MHVB.AZPQf0kn7WZ1OZw7C6nr.iDArP5823e';
  const plugins = [basicAuth({ users: { ada: sesame, slow } }), roundRobin()];
  try {
    await withWeldr({ servers: [origin.url], plugins }, async ({ url }) => {
      const ada = { headers: { authorization } };
      assert.is((await fetchOnce(url, ada)).status, 200);
      const leaving = new AbortController();
      const guesses = Array.from({ length: 50 }, (_, n) =>
        fetchOnce(url, {
          headers: { authorization: `Basic ${Buffer.from(`slow:${n}`).toString('base64')}` },
          signal: leaving.signal,
        }).then(
          ({ status }) => status,
          () => 0,
        ),
      );
      let refused = 0;
      for (const guess of guesses) {
        guess.then(status => {
          if (status === 429) refused++;
        });
      }
      await until('some are refused', () => refused >= 10);
      for (let n = 0; n < 20; n++) assert.is((await fetchOnce(url, ada)).status, 200);
      leaving.abort();
      assert.equal(
        [...new Set(await Promise.all(guesses))].filter(status => ![0, 401, 429].includes(status)),
        [],
      );
      assert.is((await fetchOnce(url, ada)).status, 200);
    });
  } finally {
    await origin.close();
  }
});
