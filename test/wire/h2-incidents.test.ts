// Known incidents in HTTP/2 and TLS implementations, by name. Tests of others:
//
//   rapid reset (CVE-2023-44487), floods of PING, SETTINGS, WINDOW_UPDATE, empty DATA     h2-hostile.test.ts
//   HPACK bombs (CVE-2016-6581), windows that stay shut, smuggled requests                h2-hostile.test.ts
//   Upgrade: h2c, bytes after an Upgrade (CVE-2026-2833)                                  upgrade.test.ts, requests/routing.ts
//   tickets across names, client certificates, changes of authorities (CVE-2025-23419,
//   -23048, -68121), SNICallback (CVE-2026-21637)                                         client-tls.test.ts
//   te: trailers of gRPC is passed on to the server                                       upstream-h2.test.ts
//   the same by servers instead of clients                                                upstream-h2-hostile, -loops.test.ts
//   a response that comes before its request (CVE-2026-105481)                            upstream-connections.test.ts
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import { errorCode, settingId } from '../../core/http/h2/frames.ts';
import { frame, setting, uint32 } from '../core/http/h2/frame-bytes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { get, type H2Client, post } from './support/h2-client.ts';
import { between, calm, flood, silent } from './support/h2-ends.ts';
import { ok } from './support/scripted-origin.ts';

const test = suite('HTTP/2 incidents', { ownProcess: true });

const send = (client: H2Client, bytes: string): void => {
  client.flush();
  client.socket.write(Buffer.from(bytes, 'latin1'));
};

/** A GET that neither reads nor changes a table. */
const plainHead = '\x82\x86\x84\x01\x09shop.test';

/** Reasons for a server to reset the stream of a valid request. */
const madeResets: readonly (readonly [
  what: string,
  ending: 'end' | 'open',
  bytes: (id: number) => string,
])[] = [
  ['a window over 2^31-1', 'open', id => frame(8, 0, id, uint32(2 ** 31 - 1))],
  ['WINDOW_UPDATE of 0', 'open', id => frame(8, 0, id, uint32(0))],
  ['DATA after the end', 'end', id => frame(0, 0, id, 'x')],
  ['HEADERS after the end', 'end', id => frame(1, 5, id, '')],
  ['PRIORITY with the wrong length', 'open', id => frame(2, 0, id, 'xxxx')],
  ['PRIORITY on itself', 'open', id => frame(2, 0, id, `${uint32(id)}x`)],
  ['trailers that do not end', 'open', id => frame(1, 4, id, '')],
  ['more DATA than content-length says', 'open', id => frame(0, 0, id, 'xxxxxx')],
];

for (const [what, ending, bytes] of madeResets) {
  test(`CVE-2025-8671 MadeYouReset, by ${what}: Weldr's own resets have a budget`, async () => {
    await between(
      async ({ open, origin }) => {
        const client = await open();
        const block = client.block(post('/', ['content-length', ending === 'end' ? '0' : '5']));
        let id = -1;
        const how = await flood(client, () => {
          id += 2;
          client.writer.headers(id, block, ending);
          send(client, bytes(id));
        });
        assert.is(how, calm);
        assert.ok(id < 2_000, `${id} streams`);
        assert.ok(origin.requests.length < 1_000, `${origin.requests.length} requests`);
      },
      { script: { answer: silent } },
    );
  });
}

test('CVE-2024-27919, -27983 a field section that never ends, and a client that leaves within it', async () => {
  await between(async ({ proxy, open }) => {
    for (const frames of [1, 5, 15]) {
      for (const how of ['destroy', 'resetAndDestroy'] as const) {
        const client = await open();
        send(client, frame(1, 0, 1, client.block(get()).toString('latin1')));
        for (let n = 0; n < frames; n++)
          send(client, frame(9, 0, 1, `\0\x01x\x7f\x80\x01${'y'.repeat(255)}`));
        await new Promise(resolve => client.socket.write('', resolve));
        client.socket[how]();
      }
    }
    await until('the end of all', () => proxy.listener.connections === 0);
  });
});

test('CVE-2026-49975 cookie crumbs count, each with its name, and get 431 over the limit', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    const first = client.block([...get(), ['cookie', '']]).toString('latin1');
    // `cookie` has the static index 32, so an empty crumb takes three bytes, or one if it is in the table.
    send(client, frame(1, 5, 1, `${first}\x60\0${'\xbe'.repeat(15_000)}`));
    const { heads, reset } = await client.over(1);
    assert.equal([heads[0]?.[1], reset], ['431', undefined]);
    assert.equal(origin.requests, []);
  });
});

test('CVE-2016-6581 an entry as large as the table, again and again, costs no more than its size', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    const size = 4_096 - 32 - 1;
    const length = String.fromCharCode(0x7f, 0x80 | ((size - 127) & 0x7f), (size - 127) >> 7);
    const entry = `\x40\x01x${length}${'y'.repeat(size)}`;
    const before = process.memoryUsage().heapUsed;
    for (let id = 1; id < 200; id += 2) {
      send(client, frame(1, 5, id, plainHead + entry + '\xbe'.repeat(8_000)));
      assert.is((await client.over(id)).heads[0]?.[1], '431');
    }
    assert.ok(process.memoryUsage().heapUsed - before < 50 * 1024 * 1024);
    assert.equal(origin.requests, []);
  });
});

test('CVE-2019-9511 opening a window byte by byte is a flood', async () => {
  await between(
    async ({ open }) => {
      const client = await open([[settingId.initialWindowSize, 0]]);
      client.holds = true;
      const id = client.request(get());
      const how = await flood(client, () => client.writer.windowUpdate(id, 1));
      assert.is(how, calm);
    },
    { script: { answer: () => ok('x'.repeat(1_000_000)) }, tap: () => {} },
  );
});

test('CVE-2019-9511 repeatedly setting windows of one byte by SETTINGS is a flood', async () => {
  await between(
    async ({ open }) => {
      const client = await open([[settingId.initialWindowSize, 0]]);
      client.holds = true;
      for (let n = 0; n < 20; n++) client.request(get());
      let size = 0;
      const how = await flood(client, () => client.writer.settings([[settingId.initialWindowSize, ++size]]));
      assert.is(how, calm);
      assert.ok(size < 5_000, `${size} changes`);
    },
    { script: { answer: () => ok('x'.repeat(100_000)) }, tap: () => {} },
  );
});

for (const [what, bytes] of [
  ['CVE-2019-9513 PRIORITY', frame(2, 0, 1, `${uint32(3)}x`)],
  ['CVE-2019-9513 PRIORITY of streams that do not exist', frame(2, 0, 2 ** 31 - 1, `${uint32(0)}x`)],
  ['frames of an unknown type', frame(0xef, 0, 1, 'xxxx')],
  ['CVE-2019-9515 SETTINGS with only unknown values', frame(4, 0, 0, setting(0x99, 1))],
  ['CVE-2019-9514 RST_STREAM on closed streams', frame(3, 0, 1, uint32(errorCode.cancel))],
  ['acknowledgements of PING', frame(6, 1, 0, '12345678')],
  ['acknowledgements of SETTINGS', frame(4, 1, 0)],
  ['GOAWAY from a client that stays', frame(7, 0, 0, uint32(0) + uint32(0))],
  ['CVE-2019-9518 DATA with only padding', frame(0, 8, 1, '\0')],
] as const) {
  test(`a flood ends the connection: ${what}`, async () => {
    await between(
      async ({ open, proxy }) => {
        const client = await open();
        client.request(post(), 'open');
        await until('the request', () => proxy.listener.activeRequests === 1);
        const frames = bytes.repeat(100);
        const how = await flood(client, () => send(client, frames), 5_000);
        assert.is(how, calm);
      },
      { script: { answer: silent } },
    );
  });
}

test('a flood ends the connection: heads on a stream that was reset', async () => {
  await between(
    async ({ open }) => {
      const client = await open();
      const id = client.request(post(), 'open');
      send(client, frame(8, 0, id, uint32(0)));
      await client.over(id);
      const frames = frame(1, 4, id, plainHead).repeat(100);
      assert.is(await flood(client, () => send(client, frames), 5_000), calm);
    },
    { script: { answer: silent } },
  );
});

test('CVE-2019-9514 repeated malformed requests are a flood', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    const block = client.block(get('/', ['x', 'a\nb']));
    let id = -1;
    const how = await flood(client, () => {
      id += 2;
      client.writer.headers(id, block, 'end');
    });
    assert.is(how, calm);
    assert.equal(origin.requests, []);
  });
});

test('CVE-2019-9516 thousands of fields without a name cause a reset, and take no memory', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    send(client, frame(1, 5, 1, client.block(get()).toString('latin1') + '\0\0\0'.repeat(5_000)));
    assert.is((await client.over(1)).reset, 'PROTOCOL_ERROR');
    assert.equal(origin.requests, []);
  });
});

test('CVE-2019-9517 an open window on a connection that the client does not read: bodies wait at the server', async () => {
  const body = ok('x'.repeat(20_000_000));
  await between(
    async ({ open, origin, proxy }) => {
      const client = await open([[settingId.initialWindowSize, 2 ** 31 - 1]]);
      client.writer.windowUpdate(0, 2 ** 30);
      client.socket.pause();
      for (let n = 0; n < 4; n++) client.request(get());
      await until(
        'servers that wait',
        () =>
          origin.connections.length === 4 &&
          origin.connections.every(({ socket }) => socket.writableLength > 0),
      );
      assert.is(proxy.listener.activeRequests, 4);
      client.close();
      await until('their end', () => proxy.listener.activeRequests === 0);
    },
    { script: { answer: () => body }, tap: () => {} },
  );
});

test('CVE-2025-59465 a nonsensical field section ends only its connection', async () => {
  await between(async ({ open }) => {
    for (const block of [
      '\xff\xff\xff\xff\xff\xff\xff\x7f',
      '\x40\x7f\xff\xff\xff\xff\x07',
      '\x3f\xff\xff\xff\xff\x07',
      '\x40\xff\xff\xff\xff\xff\x07x',
      '\xff'.repeat(16_000),
      '\x40'.repeat(16_000),
    ]) {
      const client = await open();
      send(client, frame(1, 5, 1, block));
      assert.is(await client.ended(), 'COMPRESSION_ERROR');
    }
  });
});

test('CVE-2026-21714 WINDOW_UPDATE over 2^31-1 on stream 0 ends the connection and frees it', async () => {
  await between(async ({ open, proxy }) => {
    const client = await open();
    client.request(post(), 'open');
    await until('the request', () => proxy.listener.activeRequests === 1);
    client.writer.windowUpdate(0, 2 ** 31 - 1);
    client.flush();
    assert.is(await client.ended(), 'FLOW_CONTROL_ERROR');
    client.close();
    await until('its end', () => proxy.listener.connections === 0 && proxy.listener.activeRequests === 0);
  });
});

test('CVE-2026-48937 frames after a GOAWAY are not read, whichever side sent it', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    // The client's: existing streams end, and no new ones are opened.
    const id = client.request(post(), 'open');
    client.writer.goAway(0, errorCode.noError);
    const late = client.request(get('/late'));
    client.data(id, 'body', 'end');
    assert.is((await client.over(id)).body, 'hello');
    assert.is(client.streams.get(late), undefined);
    // Weldr's: an error ends the connection, and nothing that follows in the same read counts.
    const other = await open();
    send(other, frame(6, 0, 0, 'short') + frame(1, 5, 1, other.block(get('/late')).toString('latin1')));
    assert.is(await other.ended(), 'FRAME_SIZE_ERROR');
    assert.not(origin.requests.some(({ target }) => target === '/late'));
  });
});

test('CVE-2026-56846 field sections that never end hold 64 KB at most, for a limited time', async () => {
  await between(
    async ({ open, proxy }) => {
      const clients = await Promise.all(Array.from({ length: 20 }, () => open()));
      for (const client of clients) {
        send(client, frame(1, 0, 1, 'x'.repeat(16_384)) + frame(9, 0, 1, 'x'.repeat(16_384)).repeat(2));
      }
      await until('their time to be over', () => proxy.listener.connections === 0);
      const greedy = await open();
      send(greedy, frame(1, 0, 1, 'x'.repeat(16_384)) + frame(9, 0, 1, 'x'.repeat(16_384)).repeat(4));
      assert.is(await greedy.ended(), calm);
    },
    { settings: { timeouts: { idle: '1s' } } },
  );
});

test('h2c by Upgrade is not accepted, and HTTP2-Settings does not reach a server', async () => {
  await between(async ({ proxy, origin }) => {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.write(
      'GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n',
    );
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    assert.match(text, /^HTTP\/1\.1 200 /);
    assert.not.match(origin.requests[0]?.raw ?? '', /upgrade|h2c|http2-settings/i);
  });
});

test('HAProxy b743b566b, nginx dea68dbf1: a comma in :authority is refused; of :authority and host one is passed on', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    for (const authority of [
      'a.test,b.test',
      'a.test, b.test',
      'a.test;b',
      'a.test#b',
      'a.test?b',
      'a.test\\b',
      '[::1',
      'a:b:c',
    ]) {
      const id = client.request([
        [':authority', authority],
        ...get().filter(([name]) => name !== ':authority'),
      ]);
      assert.is((await client.over(id)).reset, 'PROTOCOL_ERROR', authority);
    }
    assert.equal(origin.requests, []);
    const id = client.request(get('/', ['host', 'SHOP.test']));
    assert.is((await client.over(id)).body, 'hello');
    const raw = origin.requests[0]?.raw ?? '';
    assert.equal(raw.match(/^host: .*(?=\r$)/gim), ['host: shop.test']);
  });
});

test('CVE-2025-57804 a line end in any part of a request resets it before anything leaves', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    for (const name of [':method', ':path', ':scheme', ':authority']) {
      for (const evil of ['\r\n', '\r', '\n', '\0', ' ', '\t']) {
        const fields = get().map(
          ([known, old]) => [known, known === name ? `${old}${evil}x: y` : old] as const,
        );
        assert.is((await client.over(client.request(fields))).reset, 'PROTOCOL_ERROR', `${name} ${evil}`);
      }
    }
    for (const [name, value] of [
      ['x\r\ny', 'z'],
      ['x: y\r\nz', 'w'],
      ['x:', 'y'],
      ['x y', 'z'],
      ['x', 'y\r\n\r\nGET /admin HTTP/1.1\r\nHost: a'],
      ['x', 'y\0z'],
      ['host', 'a.test\r\nx: y'],
      ['transfer-encoding', 'chunked'],
      ['transfer-encoding', 'identity'],
      ['content-length', '0\r\nx: y'],
      ['content-length', '5, 5'],
      ['connection', 'transfer-encoding'],
    ] as const) {
      const id = client.request(get('/', [name, value]));
      assert.is((await client.over(id)).reset, 'PROTOCOL_ERROR', `${name}: ${value}`);
    }
    assert.equal([origin.requests, origin.problems, origin.unread], [[], [], '']);
  });
});

test('grpc-java#5176: a response without a body ends with its head, which keeps its trailers', async () => {
  const script = {
    answer: () =>
      'HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nGrpc-Status: 5\r\nContent-Length: 0\r\n\r\n',
  };
  await between(
    async ({ open }) => {
      const client = await open();
      let dataFrames = 0;
      const start = client.onDataStart.bind(client);
      client.onDataStart = (id, size, ends) => {
        dataFrames++;
        start(id, size, ends);
      };
      const { heads, ended } = await client.over(client.request(post('/', ['te', 'trailers'])));
      assert.equal([heads.length, ended, dataFrames], [1, true, 0]);
      assert.ok(heads[0]?.includes('grpc-status'));
      client.close();
    },
    { script, tap: () => {} },
  );
});
