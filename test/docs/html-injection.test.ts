// The example html-injection, in a real Weldr between real clients and origins.
import type { RequestListener } from 'node:http';
import * as assert from 'uvu/assert';
import { htmlInjection } from '../../docs/examples/html-injection.ts';
import { roundRobin } from '../../plugins/index.ts';
import { type EmbeddedWeldr, withWeldr } from '../support/embedded-weldr.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { RawClient } from '../wire/support/raw-client.ts';
import { statusOf, valuesOf } from '../wire/support/strict-message.ts';

const test = suite('the example html-injection');
const piece = '<script src="/b.js"></script>';
const page = '<!doctype html><head><title>ä</title></HEAD><body>…</body>';
const whole = page.replace('</HEAD>', `${piece}</HEAD>`);

/** Runs `use` with a Weldr in front of an origin with this handler. */
async function withPage(
  handle: RequestListener,
  use: (weldr: EmbeddedWeldr, origin: Origin) => Promise<void>,
): Promise<void> {
  const origin = await startOrigin({ handle });
  const config = { servers: [origin.url], plugins: [htmlInjection({ html: piece }), roundRobin()] };
  try {
    await withWeldr(config, weldr => use(weldr, origin));
  } finally {
    await origin.close();
  }
}

const html = { 'content-type': 'text/html; charset=utf-8', etag: '"v1"' };

test('puts its piece into a page, without a length and with a weak tag, and keeps the connection', async () => {
  const length = { 'content-length': Buffer.byteLength(page), 'accept-ranges': 'bytes' };
  await withPage(
    (_, response) => response.writeHead(200, { ...html, ...length }).end(page),
    async ({ port }) => {
      const client = await RawClient.open(port);
      const get = 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n';
      client.send(get + get);
      for (const message of await client.responses('GET', 'GET')) {
        assert.is(Buffer.from(message.body, 'latin1').toString(), whole);
        assert.equal(
          [message.framing, valuesOf(message, 'etag'), valuesOf(message, 'accept-ranges')],
          ['chunked', ['W/"v1"'], []],
        );
      }
      client.close();
    },
  );
});

test('finds the text wherever the page is split', async () => {
  const bytes = Buffer.from(page);
  const seen: string[] = [];
  const handle: RequestListener = (request, response) => {
    const at = Number(request.headers['x-cut']);
    response.writeHead(200, html).write(bytes.subarray(0, at));
    // Probably enough for the beginning to pass the transform before the rest is sent.
    setTimeout(() => response.end(bytes.subarray(at)), 2);
  };
  await withPage(handle, async ({ url }) => {
    for (let at = 1; at < bytes.length; at++) {
      seen.push(await (await fetch(url, { headers: { 'x-cut': String(at) } })).text());
    }
    const oneByOne: RequestListener = (_, response) => {
      response.writeHead(200, html);
      for (const byte of bytes) response.write(Buffer.of(byte));
      response.end();
    };
    await withPage(oneByOne, async weldr => {
      seen.push(await (await fetch(weldr.url)).text());
    });
  });
  assert.equal(new Set(seen), new Set([whole]));
});

test('does not change responses that are not HTML, are encoded, or have no-transform', async () => {
  const others: Record<string, string>[] = [
    { 'content-type': 'text/html-sandboxed' },
    { 'content-type': 'application/json' },
    { ...html, 'content-encoding': 'br' },
    { ...html, 'cache-control': 'public, no-transform' },
  ];
  let headers: Record<string, string> = {};
  await withPage(
    (_, response) => response.writeHead(200, headers).end(page),
    async ({ port }) => {
      for (const each of others) {
        headers = { ...each, etag: '"v1"', 'content-length': String(Buffer.byteLength(page)) };
        const client = await RawClient.open(port);
        client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
        const message = await client.response();
        assert.equal([Buffer.from(message.body, 'latin1').toString(), message.framing], [page, 'length']);
        assert.equal(valuesOf(message, 'etag'), ['"v1"']);
        client.close();
      }
    },
  );
});

test('does not change partial, 304 and empty responses, and gives HEAD the fields of GET', async () => {
  const handle: RequestListener = (request, response) => {
    if (request.headers.range !== undefined) {
      response
        .writeHead(206, { ...html, 'content-range': 'bytes 0-6/60', 'content-length': 7 })
        .end('</head>');
    } else if (request.headers['if-none-match'] !== undefined) response.writeHead(304, html).end();
    else if (request.url === '/empty') response.writeHead(200, { ...html, 'content-length': 0 }).end();
    else response.writeHead(200, { ...html, 'content-length': Buffer.byteLength(page) }).end(page);
  };
  await withPage(handle, async ({ port }) => {
    const client = await RawClient.open(port);
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nRange: bytes=0-6\r\n\r\n');
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nIf-None-Match: W/"v1"\r\n\r\n');
    client.send('GET /empty HTTP/1.1\r\nHost: a.test\r\n\r\n');
    client.send('HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    const [part, unchanged, empty, head, full] = await client.responses('GET', 'GET', 'GET', 'HEAD', 'GET');
    assert.ok(part && unchanged && empty && head && full);
    assert.equal([statusOf(part), part.body, valuesOf(part, 'content-length')], [206, '</head>', ['7']]);
    assert.equal([statusOf(unchanged), valuesOf(unchanged, 'etag')], [304, ['"v1"']]);
    assert.equal([empty.body, valuesOf(empty, 'content-length')], ['', ['0']]);
    assert.equal([valuesOf(head, 'content-length'), valuesOf(head, 'etag')], [[], valuesOf(full, 'etag')]);
    client.close();
  });
});

test('passes a page without the text, whatever its size, at the pace of its reader', async () => {
  const large = '<'.repeat(3_000_000);
  await withPage(
    (_, response) => response.writeHead(200, html).end(large),
    async ({ url }) => {
      assert.is((await (await fetch(url)).text()).length, large.length);
    },
  );
});

test('affects no other page when a client leaves', async () => {
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, html).write('<head>');
  };
  await withPage(handle, async ({ port }, origin) => {
    const client = await RawClient.open(port);
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await client.until('the page has begun', () => client.text.includes('200 OK'));
    client.reset();
    await until('the origin is told', () => origin.inFlight === 0);
  });
});

test('gives HEAD the fields of GET when the origin sends no length', async () => {
  await withPage(
    (_, response) => response.writeHead(200, html).end(page),
    async ({ port }) => {
      const client = await RawClient.open(port);
      client.send('HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
      const [head, full] = await client.responses('HEAD', 'GET');
      assert.ok(head && full);
      for (const name of ['etag', 'content-length']) assert.equal(valuesOf(head, name), valuesOf(full, name));
      client.close();
    },
  );
});

test('refuses a piece and a text beyond ASCII', async () => {
  for (const options of [{ html: '\u2028' }, { html: 'a\u00a0b' }, { html: piece, before: '</tête>' }]) {
    await withWeldr({ plugins: [htmlInjection(options)] }, async () => {}).then(
      () => assert.unreachable('it started'),
      error => assert.match(String(error), /html-injection|plugins\[0\]/),
    );
  }
});
