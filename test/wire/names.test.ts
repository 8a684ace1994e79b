// Upstreams with names: name servers that are silent, change their answers or become silent later.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { NameLookups } from '../../core/http/upstream/name-lookups.ts';
import { NameSources } from '../../core/http/upstream/name-sources.ts';
import { systemClock } from '../../core/time/clock.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { NameServer, SilentNameServer } from '../support/name-server.ts';
import { suite } from '../support/suite.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('names of upstreams');

const lookupsOf = (server: string): NameLookups =>
  new NameLookups(systemClock, new NameSources(systemClock, { hosts: '/dev/null', servers: [server] }));

/** The proxy chooses the upstream whose name is the path. */
async function proxyTo(urls: readonly string[], server: string): Promise<TestProxy> {
  return await startProxy({
    upstreams: urls,
    settings: { timeouts: { connect: '20s' } },
    lookups: lookupsOf(server),
    tap: hooks =>
      hooks.selectUpstream.tap('by-path', ctx =>
        ctx.pool.available.find(({ id }) => id.includes(ctx.request.path.slice(1))),
      ),
  });
}

async function ask(proxy: TestProxy, path: string): Promise<number> {
  const client = await RawClient.open(proxy.port);
  try {
    client.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
    return statusOf(await client.response('GET'));
  } finally {
    client.close();
  }
}

test('an upstream whose name server never answers does not affect others', async () => {
  const silent = await SilentNameServer.start();
  const names = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'];
  const server = await NameServer.start(
    names.map(name => `127.0.0.1 ${name}.test`),
    { silent: silent.address },
  );
  // Closed connections are opened again, each with a look-up.
  const origin = await ScriptedOrigin.start({ answer: () => ok('', 'Connection: close') });
  const dead = Array.from({ length: 20 }, (_, n) => `dead${n}.silent`);
  const urls = [...names.map(name => `${name}.test`), ...dead].map(name => `http://${name}:${origin.port}`);
  const proxy = await proxyTo(urls, server.address);
  try {
    let answered = 0;
    const waiting = dead.flatMap(name =>
      Array.from({ length: 10 }, async () => {
        const status = await ask(proxy, `/${name}`);
        answered++;
        return status;
      }),
    );
    await sleep(100);
    for (let round = 0; round < 10; round++) {
      for (const name of names) assert.is(await ask(proxy, `/${name}.test`), 200, name);
    }
    assert.is(answered, 0, 'no look-up of a dead name has ended');
    assert.equal(new Set(await Promise.all(waiting)), new Set([502]));
    // One look-up per name, two families, two tries, and dnsmasq may repeat a question.
    assert.ok(silent.questions <= 20 * 2 * 4, `${silent.questions} questions for 200 connections`);
  } finally {
    proxy.close();
    await origin.close();
    await server.close();
    silent.close();
  }
});

test('a name that moves is followed, and its last address is used while the name server is down', async () => {
  const first = await ScriptedOrigin.start({ answer: () => ok('', 'Connection: close') });
  const server = await NameServer.start(['127.0.0.1 app.test']);
  const proxy = await proxyTo([`http://app.test:${first.port}`], server.address);
  try {
    assert.is(await ask(proxy, '/app.test'), 200);
    await server.change(['127.0.0.77 app.test']);
    await sleep(1_100);
    // That address has no listener.
    assert.is(await ask(proxy, '/app.test'), 502);
    await server.change(['127.0.0.1 app.test']);
    await sleep(1_100);
    assert.is(await ask(proxy, '/app.test'), 200);
    await server.close();
    for (let round = 0; round < 3; round++) {
      await sleep(1_100);
      assert.is(await ask(proxy, '/app.test'), 200, `round ${round}`);
    }
  } finally {
    proxy.close();
    await first.close();
    await server.close();
  }
});

test('an address without a listener is skipped if there are others', async () => {
  const origin = await ScriptedOrigin.start({ answer: () => ok('', 'Connection: close') });
  const server = await NameServer.start(['127.0.0.77 app.test', '127.0.0.1 app.test', '127.0.0.78 app.test']);
  const proxy = await proxyTo([`http://app.test:${origin.port}`], server.address);
  try {
    for (let turn = 0; turn < 6; turn++) assert.is(await ask(proxy, '/app.test'), 200, `turn ${turn}`);
  } finally {
    proxy.close();
    await origin.close();
    await server.close();
  }
});

test('an unknown name results in a 502 whose cause says so', async () => {
  const server = await NameServer.start([]);
  const proxy = await proxyTo(['http://none.test:80'], server.address);
  try {
    assert.is(await ask(proxy, '/none.test'), 502);
    const cause = proxy.finished[0]?.error?.cause;
    assert.is(cause instanceof Error && cause.message, 'there is no address for the name none.test');
  } finally {
    proxy.close();
    await server.close();
  }
});

test('names are looked up the same way over TLS', async () => {
  const server = await NameServer.start(['127.0.0.1 origin.test']);
  const origin = await ScriptedOrigin.start({ tls: { cert: certificate, key: privateKey } });
  const proxy = await startProxy({
    upstreams: [{ url: `https://origin.test:${origin.port}`, tls: { ca: certificate } }],
    lookups: lookupsOf(server.address),
  });
  try {
    assert.is(await ask(proxy, '/'), 200);
  } finally {
    proxy.close();
    await origin.close();
    await server.close();
  }
});
