// compress in a real Weldr: bodies as clients get them, in HTTP/1.1 and HTTP/2, whole, in pieces, slowly and cut.
import { once } from 'node:events';
import { get, type IncomingMessage, type RequestListener } from 'node:http';
import { pipeline } from 'node:stream/promises';
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
  zstdDecompressSync,
} from 'node:zlib';
import * as assert from 'uvu/assert';
import { when } from '../../../config/index.ts';
import { type CompressOptions, compress } from '../../../plugins/compress/index.ts';
import { retry, roundRobin } from '../../../plugins/index.ts';
import { type EmbeddedWeldr, withWeldr } from '../../support/embedded-weldr.ts';
import { fetchOnce } from '../../support/fetch-once.ts';
import { h2Exchange } from '../../support/h2-exchange.ts';
import { startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { RawClient } from '../../wire/support/raw-client.ts';
import { type Message, statusOf, valuesOf } from '../../wire/support/strict-message.ts';

const test = suite('compress with real traffic');

const body = JSON.stringify(Array.from({ length: 3000 }, (_, n) => ({ n, text: `the number ${n}` })));
const json = { 'content-type': 'application/json', etag: '"v1"' };
const fast: CompressOptions = { level: { gzip: 1 } };
const decoders = { gzip: createGunzip, br: createBrotliDecompress, zstd: createZstdDecompress };
const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };

async function withOrigin(
  handle: RequestListener,
  use: (weldr: EmbeddedWeldr) => Promise<void>,
  options: CompressOptions = {},
): Promise<void> {
  const origin = await startOrigin({ handle });
  const plugins = [when({ path: ['/', '/page/*'] }, compress(options)), roundRobin(), retry()];
  const listen = [{ address: '127.0.0.1:0', h2c: true }];
  try {
    await withWeldr({ listen, servers: [origin.url], plugins }, use);
  } finally {
    await origin.close();
  }
}

async function exchange(
  port: number,
  accepts: string,
  { method = 'GET', path = '/', version = '1.1', fields = '' } = {},
): Promise<Message> {
  const client = await RawClient.open(port);
  const head = `${method} ${path} HTTP/${version}\r\nHost: a.test\r\n`;
  client.send(`${head}Accept-Encoding: ${accepts}\r\n${fields}\r\n`);
  const message = await client.response(method);
  client.close();
  return message;
}

const whole: RequestListener = (request, response) => {
  if (request.headers['if-none-match'] !== undefined) response.writeHead(304, { etag: '"v1"' }).end();
  else response.writeHead(200, { ...json, 'content-length': body.length }).end(body);
};

test('compresses whole bodies with each coding, in both protocols, and to HTTP/1.0', async () => {
  await withOrigin(whole, async ({ port, url }) => {
    for (const [coding, decoded] of Object.entries(decode)) {
      for (const version of ['1.1', '1.0']) {
        const message = await exchange(port, coding, { version });
        assert.is(decoded(Buffer.from(message.body, 'latin1')).toString(), body);
        assert.ok(message.body.length < body.length / 3);
        assert.equal(
          ['content-encoding', 'content-length', 'etag', 'vary'].map(name => valuesOf(message, name)),
          [[coding], [], ['W/"v1"'], ['Accept-Encoding']],
        );
      }
      const h2 = await h2Exchange(url, { 'accept-encoding': coding });
      assert.equal([h2.headers['content-encoding'], h2.headers['content-length']], [coding, undefined]);
      assert.is(decoded(h2.body).toString(), body);
    }
  });
});

test('gives HEAD the head of GET, and a 304 that of its 200', async () => {
  await withOrigin(whole, async ({ port }) => {
    const [head, get] = [await exchange(port, 'br', { method: 'HEAD' }), await exchange(port, 'br')];
    for (const name of ['content-encoding', 'etag', 'vary', 'content-length'])
      assert.equal(valuesOf(head, name), valuesOf(get, name), name);
    const unchanged = await exchange(port, 'br', { fields: 'If-None-Match: W/"v1"\r\n' });
    assert.equal(
      [statusOf(unchanged), valuesOf(unchanged, 'etag'), valuesOf(unchanged, 'content-encoding')],
      [304, ['W/"v1"'], []],
    );
  });
});

test('leaves small bodies as they are, and those outside its scope in every spelling', async () => {
  const handle: RequestListener = (request, response) => {
    const text = request.url?.includes('small') ? body.slice(0, 1023) : body;
    response.writeHead(200, { ...json, 'content-length': text.length }).end(text);
  };
  await withOrigin(handle, async ({ port }) => {
    for (const path of ['/page/small', '/other', '/PAGES', '/other/..%2fother2'])
      assert.equal(valuesOf(await exchange(port, 'gzip', { path }), 'content-encoding'), [], path);
    for (const path of ['/page', '/page/x', '/%70age/', '/PAGE/%78'])
      assert.equal(valuesOf(await exchange(port, 'gzip', { path }), 'content-encoding'), ['gzip'], path);
  });
});

test('passes on each event as it arrives, with each coding', async () => {
  let next: () => void = () => {};
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    let events = 0;
    next = () => response.write(`data: ${++events}\n\n`);
    next();
  };
  await withOrigin(handle, async ({ url }) => {
    for (const [coding, decoder] of Object.entries(decoders)) {
      const request = get(url, { headers: { 'accept-encoding': coding, connection: 'close' } });
      const [answer]: IncomingMessage[] = await once(request, 'response');
      assert.is(answer?.headers['content-encoding'], coding);
      const events = answer?.pipe(decoder()).iterator({ destroyOnReturn: false });
      for (let event = 1; event < 4; event++) {
        assert.is(String((await events?.next())?.value), `data: ${event}\n\n`);
        next();
      }
      request.destroy();
    }
  });
});

test('slows down a server whose client does not read, and loses nothing', async () => {
  // Random, so that compression does not make it smaller.
  const piece = Buffer.from(Array.from({ length: 64 * 1024 }, () => Math.floor(Math.random() * 256)));
  const pieces = 600;
  let written = 0;
  function* content(): Generator<Buffer> {
    for (written = 0; written < pieces; written++) yield piece;
  }
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    pipeline(content(), response).catch(() => {});
  };
  await withOrigin(
    handle,
    async ({ url }) => {
      // Not fetch, which reads ahead.
      const request = get(url, { headers: { 'accept-encoding': 'gzip', connection: 'close' } });
      const [answer]: IncomingMessage[] = await once(request, 'response');
      let last = -1;
      let quiet = 0;
      await until('the server has to wait', () => {
        quiet = written > 0 && written === last ? quiet + 1 : 0;
        last = written;
        return quiet > 20;
      });
      assert.ok(written < pieces, `${written} pieces`);
      let bytes = 0;
      await pipeline(answer ?? [], createGunzip(), async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) bytes += chunk.length;
      });
      assert.is(bytes, pieces * piece.length);
    },
    fast,
  );
});

test('does not properly end a body that the server has cut', async () => {
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, json).write(body.slice(0, 5000), () => response.destroy());
  };
  await withOrigin(handle, async ({ port }) => {
    const client = await RawClient.open(port);
    client.send('GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: zstd\r\n\r\n');
    assert.not.match(await client.untilEnd(), /\r\n0\r\n\r\n$/);
  });
});

test('compresses a bounded number at once, and more when some have ended', async () => {
  const ends: (() => void)[] = [];
  const handle: RequestListener = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' }).write('begun\n');
    ends.push(() => response.end());
  };
  await withOrigin(
    handle,
    async ({ url }) => {
      const ask = () => fetchOnce(url, { headers: { 'accept-encoding': 'gzip', connection: 'close' } });
      const answers = [await ask(), await ask(), await ask()];
      assert.equal(
        answers.map(({ headers }) => headers.get('content-encoding')),
        ['gzip', 'gzip', null],
      );
      for (const end of ends.splice(0)) end();
      for (const answer of answers) assert.is(await answer.text(), 'begun\n');
      await until('there is room again', async () => {
        const answer = await ask();
        for (const end of ends.splice(0)) end();
        await answer.text();
        return answer.headers.get('content-encoding') === 'gzip';
      });
    },
    { streams: 2 },
  );
});
