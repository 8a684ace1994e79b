// The example gzip, in a real Weldr between real clients and origins.
import type { RequestListener } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { gzip } from '../../docs/examples/gzip.ts';
import { htmlInjection } from '../../docs/examples/html-injection.ts';
import { roundRobin } from '../../plugins/index.ts';
import { type EmbeddedWeldr, withWeldr } from '../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { type Message, statusOf, valuesOf } from '../wire/support/strict-message.ts';

const test = suite('the example gzip');
const body = `{"numbers":[${Array.from({ length: 2000 }, (_, i) => i).join()}]}`;
const json = { 'content-type': 'application/json', etag: '"v1"', 'content-length': body.length };

async function withOrigin(
  handle: RequestListener,
  use: (weldr: EmbeddedWeldr, origin: Origin) => Promise<void>,
  plugins = [gzip()],
): Promise<void> {
  const origin = await startOrigin({ handle });
  try {
    await withWeldr({ servers: [origin.url], plugins: [...plugins, roundRobin()] }, weldr =>
      use(weldr, origin),
    );
  } finally {
    await origin.close();
  }
}

/** Returns the response to a request on its own connection; `fields`: more lines of the request. */
async function exchange(port: number, fields = '', method = 'GET', version = '1.1'): Promise<Message> {
  const client = await RawClient.open(port);
  client.send(`${method} / HTTP/${version}\r\nHost: a.test\r\n${fields}\r\n`);
  const message = await client.response(method);
  client.close();
  return message;
}

const unzipped = ({ body }: Message): string => gunzipSync(Buffer.from(body, 'latin1')).toString();
const isZipped = (message: Message): boolean => valuesOf(message, 'content-encoding').includes('gzip');
const wanted = 'Accept-Encoding: gzip\r\n';

test('compresses for clients that accept it, keeps their connections, and sends Vary', async () => {
  await withOrigin(
    (_, response) => response.writeHead(200, { ...json, vary: 'Origin' }).end(body),
    async ({ port }) => {
      const client = await RawClient.open(port);
      const get = `GET / HTTP/1.1\r\nHost: a.test\r\n${wanted}\r\n`;
      client.send(get + get);
      for (const message of await client.responses('GET', 'GET')) {
        assert.is(unzipped(message), body);
        assert.ok(message.body.length < body.length / 2);
        assert.equal(
          [
            message.framing,
            valuesOf(message, 'vary'),
            valuesOf(message, 'etag'),
            valuesOf(message, 'content-length'),
          ],
          ['chunked', ['Origin', 'Accept-Encoding'], ['W/"v1"'], []],
        );
      }
      client.close();
      assert.is(unzipped(await exchange(port, wanted, 'GET', '1.0')), body);
    },
  );
});

test('honours names, weights and wildcards of Accept-Encoding', async () => {
  await withOrigin(
    (_, response) => response.writeHead(200, json).end(body),
    async ({ port }) => {
      const yes = [
        'gzip',
        'br, GZip;q=0.5',
        'deflate;q=1, *;q=0.1',
        'x-gzip',
        'gzip ; q=1.000',
        '*',
        'br;q=0, gzip',
      ];
      const no = ['', 'br', 'gzip;q=0', 'gzip;q=0.000, *', '*;q=0', 'identity', 'gzip; Q=0', 'gzipped'];
      for (const value of yes)
        assert.ok(isZipped(await exchange(port, `Accept-Encoding: ${value}\r\n`)), value);
      for (const value of no) {
        const message = await exchange(port, `Accept-Encoding: ${value}\r\n`);
        assert.equal(
          [message.body, valuesOf(message, 'vary'), valuesOf(message, 'etag')],
          [body, ['Accept-Encoding'], ['"v1"']],
        );
      }
      assert.not.ok(isZipped(await exchange(port)));
      assert.ok(isZipped(await exchange(port, 'Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n')));
    },
  );
});

test('does not compress small, encoded, binary or partial responses, or those with no-transform', async () => {
  const others: readonly (readonly [number, Record<string, string | number>, string | Buffer, string?])[] = [
    [200, { ...json, 'content-length': 3 }, 'abc'],
    [200, { ...json, 'content-encoding': 'gzip', 'content-length': gzipSync(body).length }, gzipSync(body)],
    [200, { ...json, 'content-encoding': 'br' }, body],
    [200, { ...json, 'content-type': 'image/png' }, body],
    [206, { ...json, 'content-range': `bytes 0-${body.length - 1}/99999` }, body],
    [200, { ...json, 'cache-control': 'public, No-Transform' }, body],
    [200, json, body, 'Cache-Control: no-transform\r\n'],
  ];
  let current = others[0];
  const handle: RequestListener = (_, response) =>
    response.writeHead(current?.[0] ?? 500, current?.[1]).end(current?.[2]);
  await withOrigin(handle, async ({ port }) => {
    for (current of others) {
      const [status, headers, sent, fields = ''] = current;
      const message = await exchange(port, wanted + fields);
      assert.is(message.body, Buffer.from(sent).toString('latin1'));
      assert.equal(
        [statusOf(message), message.framing, valuesOf(message, 'etag')],
        [status, 'length', ['"v1"']],
      );
      assert.is(valuesOf(message, 'content-encoding')[0], headers['content-encoding']);
    }
  });
});

test('gives HEAD the fields of GET, and a 304 none', async () => {
  const handle: RequestListener = (request, response) => {
    if (request.headers['if-none-match'] !== undefined) response.writeHead(304, { etag: '"v1"' }).end();
    else response.writeHead(200, json).end(body);
  };
  await withOrigin(handle, async ({ port }) => {
    const [head, get] = [await exchange(port, wanted, 'HEAD'), await exchange(port, wanted)];
    for (const name of ['content-encoding', 'etag', 'vary', 'content-length']) {
      assert.equal(valuesOf(head, name), valuesOf(get, name), name);
    }
    const plain = await exchange(port, '', 'HEAD');
    assert.equal(valuesOf(plain, 'content-length'), [String(body.length)]);
    const unchanged = await exchange(port, `${wanted}If-None-Match: W/"v1"\r\n`);
    assert.equal(
      [statusOf(unchanged), valuesOf(unchanged, 'etag'), isZipped(unchanged)],
      [304, ['"v1"'], false],
    );
  });
});

test('gives HEAD the fields of GET when the origin sends no length', async () => {
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json', etag: '"v1"' });
    response.end(body);
  };
  await withOrigin(handle, async ({ port }) => {
    const [head, get] = [await exchange(port, wanted, 'HEAD'), await exchange(port, wanted)];
    for (const name of ['content-encoding', 'etag', 'vary', 'content-length']) {
      assert.equal(valuesOf(head, name), valuesOf(get, name), name);
    }
  });
});

test('passes each server-sent event on at once', async () => {
  let next: () => void = () => {};
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let events = 0;
    next = () => response.write(`data: ${++events}\n\n`);
    next();
  };
  await withOrigin(handle, async ({ url }, origin) => {
    const leaving = new AbortController();
    const answer = await fetch(url, { headers: { 'accept-encoding': 'gzip' }, signal: leaving.signal });
    assert.is(answer.headers.get('content-encoding'), 'gzip');
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let event = 1; event < 5; event++) {
      assert.is((await reader?.read())?.value, `data: ${event}\n\n`);
      next();
    }
    leaving.abort();
    await until('the origin is told', () => origin.inFlight === 0);
  });
});

test('compresses a page as changed by the plugin before it', async () => {
  const page = `<head></head>${'text '.repeat(1000)}`;
  const plugins = [htmlInjection({ html: '<b>' }), gzip()];
  const handle: RequestListener = (_, response) =>
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  await withOrigin(
    handle,
    async ({ port }) =>
      assert.is(unzipped(await exchange(port, wanted)), page.replace('</head>', '<b></head>')),
    plugins,
  );
});

test('does not end a response cleanly that the origin cut off', async () => {
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, json).write(body.slice(0, 2000), () => response.destroy());
  };
  await withOrigin(handle, async ({ port }) => {
    const client = await RawClient.open(port);
    client.send(`GET / HTTP/1.1\r\nHost: a.test\r\n${wanted}\r\n`);
    assert.not.match(await client.untilEnd(), /\r\n0\r\n\r\n$/);
  });
});
