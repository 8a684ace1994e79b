// Hostile HTTP/2 clients: nothing that could become another HTTP/1.1 request is forwarded, and floods affect no
// other client (RFC 9113 sections 8.2 and 10.5).
import { setImmediate as nextTurn } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { errorCode, settingId } from '../../core/http/h2/frames.ts';
import { reply } from '../../core/request/reply.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { get, type H2Client, post } from './support/h2-client.ts';
import { between, calm, flood, silent } from './support/h2-ends.ts';
import { ok, type Script } from './support/scripted-origin.ts';

const test = suite('hostile HTTP/2 clients', { ownProcess: true });

type Fields = readonly (readonly [string, string])[];
const without = (name: string): Fields => get().filter(([known]) => known !== name);
const replacing = (name: string, value: string): Fields =>
  get().map(([known, old]) => [known, known === name ? value : old]);

const malformed: readonly (readonly [what: string, fields: Fields])[] = [
  ['no :method', without(':method')],
  ['no :path', without(':path')],
  ['no :scheme', without(':scheme')],
  ['no :authority and no host', without(':authority')],
  ['an empty :path', replacing(':path', '')],
  ['a :path in another form', replacing(':path', 'http://other.test/')],
  ['a space in :path', replacing(':path', '/ HTTP/1.1')],
  ['a line end in :path', replacing(':path', '/ HTTP/1.1\r\nX: y\r\n\r\nGET /admin')],
  ['a bare LF in :path', replacing(':path', '/\nX: y')],
  ['a NUL in :path', replacing(':path', '/\0')],
  ['a tab in :path', replacing(':path', '/\ta')],
  ['* for GET', replacing(':path', '*')],
  ['a space in :method', replacing(':method', 'GET / HTTP/1.1\r\nHost: other')],
  ['an empty :method', replacing(':method', '')],
  ['an overlong method', replacing(':method', 'A'.repeat(33))],
  ['a :scheme other than http and https', replacing(':scheme', 'ftp')],
  ['a line end in :scheme', replacing(':scheme', 'http://x/\r\nX: y')],
  ['a path in :authority', replacing(':authority', 'shop.test/admin')],
  ['a user in :authority', replacing(':authority', 'me@shop.test')],
  ['a line end in :authority', replacing(':authority', 'shop.test\r\nX: y')],
  ['a space in :authority', replacing(':authority', 'shop.test other')],
  ['an empty :authority', replacing(':authority', '')],
  [':path twice', [...get(), [':path', '/other']]],
  [':authority twice', [[':authority', 'a'], ...get()]],
  ['an unknown pseudo-field', [[':other', 'x'], ...get()]],
  [':status in a request', [[':status', '200'], ...get()]],
  [':protocol, which was not announced', [[':protocol', 'websocket'], ...replacing(':method', 'CONNECT')]],
  ['a pseudo-field after a field', [['x', 'y'], ...get()]],
  ['a different host', get('/', ['host', 'other.test'])],
  ['host twice', get('/', ['host', 'shop.test'], ['host', 'shop.test'])],
  ['a name in upper case', get('/', ['X-Mine', 'y'])],
  ['a name with a colon', get('/', ['x:y', 'z'])],
  ['a name with a space', get('/', ['x y', 'z'])],
  ['a name with a line end', get('/', ['x: y\r\ntransfer-encoding', 'chunked'])],
  ['an empty name', get('/', ['', 'z'])],
  ['a line end in a value', get('/', ['x', 'y\r\ntransfer-encoding: chunked'])],
  ['a bare CR in a value', get('/', ['x', 'y\rz'])],
  ['a bare LF in a value', get('/', ['x', 'y\nz'])],
  ['a NUL in a value', get('/', ['x', 'y\0'])],
  ['a blank before a value', get('/', ['x', ' y'])],
  ['a tab after a value', get('/', ['x', 'y\t'])],
  ['connection', get('/', ['connection', 'close'])],
  ['keep-alive', get('/', ['keep-alive', 'timeout=5'])],
  ['proxy-connection', get('/', ['proxy-connection', 'close'])],
  ['upgrade', get('/', ['upgrade', 'websocket'])],
  ['transfer-encoding', get('/', ['transfer-encoding', 'chunked'])],
  ['te with more than trailers', get('/', ['te', 'trailers, deflate'])],
  ['content-length twice', get('/', ['content-length', '0'], ['content-length', '0'])],
  ['an invalid content-length', get('/', ['content-length', '+0'])],
  ['a content-length, and no body', get('/', ['content-length', '5'])],
];

for (const [what, fields] of malformed) {
  test(`a request is reset and not forwarded: ${what}`, async () => {
    await between(async ({ open, origin }) => {
      const client = await open();
      const { reset, heads } = await client.over(client.request(fields));
      assert.equal([reset, heads.length], ['PROTOCOL_ERROR', 0]);
      assert.equal(origin.requests, []);
      // The connection stays open.
      assert.is((await client.over(client.request(get()))).body, 'hello');
    });
  });
}

for (const [what, pieces] of [
  ['more than content-length says', ['12345', '6']],
  ['less than content-length says', ['1234']],
] as const) {
  test(`a body with ${what} causes a reset, and is never a complete request`, async () => {
    await between(async ({ open, origin }) => {
      const client = await open();
      const id = client.request(post('/', ['content-length', '5']), 'open');
      for (const [n, piece] of pieces.entries())
        client.data(id, piece, n === pieces.length - 1 ? 'end' : 'open');
      const { reset } = await client.over(id);
      assert.is(reset, 'PROTOCOL_ERROR');
      assert.equal(
        origin.requests.filter(({ body }) => body.length !== 5),
        [],
      );
    });
  });
}

test('trailers that would change the request are dropped; malformed ones reset it', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    const id = client.request(post(), 'open');
    client.data(id, 'body', 'open');
    const late = [
      ['content-length', '9'],
      ['host', 'other.test'],
      ['x-forwarded-for', '1.2.3.4'],
      ['x-sum', '7'],
    ] as const;
    client.writer.headers(id, client.block(late), 'end');
    client.flush();
    await client.over(id);
    assert.match(origin.requests[0]?.raw ?? '', /\r\n0\r\nx-sum: 7\r\n\r\n$/);
    for (const trailer of [
      [':path', '/'],
      ['X', 'y'],
      ['x', 'a\r\nb'],
      ['connection', 'close'],
      ['transfer-encoding', 'chunked'],
    ] as const) {
      const bad = client.request(post(), 'open');
      client.writer.headers(bad, client.block([trailer]), 'end');
      client.flush();
      assert.is((await client.over(bad)).reset, 'PROTOCOL_ERROR');
    }
  });
});

for (const [what, bytes, error] of [
  ['WINDOW_UPDATE of 0', [0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 0], 'PROTOCOL_ERROR'],
  ['PRIORITY on itself', [0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0], 'PROTOCOL_ERROR'],
  ['PRIORITY with the wrong length', [0, 0, 4, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0], 'FRAME_SIZE_ERROR'],
] as const) {
  test(`a stream error on a stream that was never opened ends the connection: ${what}`, async () => {
    await between(async ({ open }) => {
      const client = await open();
      client.socket.write(Buffer.from(bytes));
      assert.is(await client.ended(), error);
      assert.equal([...client.streams], []);
    });
  });
}

test('padding counts against the window, which is restored', async () => {
  const script: Script = { answer: ({ body }) => ok(`${body.length}`) };
  await between(
    async ({ open }) => {
      const client = await open();
      const id = client.request(post(), 'open');
      // Frames of 201 bytes with one byte of payload each, far more than fit in the window.
      for (let n = 0; n < 2_000; n++) {
        const frame = Buffer.alloc(9 + 201);
        frame.set([0, 0, 201, 0, 0x8, 0, 0, 0, id, 199, 0x78]);
        client.socket.write(frame);
        if (n % 100 === 99) await new Promise(resolve => setTimeout(resolve, 2));
      }
      client.data(id, '', 'end');
      assert.is((await client.over(id)).body, '2000');
      client.close();
    },
    { script, tap: () => {} },
  );
});

// --- floods ------------------------------------------------------------------------------------------------------

test('streams that are opened and reset at once end the connection (rapid reset)', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    const block = client.block(get());
    let id = -1;
    const how = await flood(client, () => {
      id += 2;
      client.writer.headers(id, block, 'end');
      client.writer.rstStream(id, errorCode.cancel);
    });
    assert.is(how, calm);
    assert.ok(origin.requests.length < 2_000, `${origin.requests.length} requests`);
  });
});

test('streams that the proxy is made to reset end the connection (made-you-reset)', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    const block = client.block(post('/', ['content-length', '1']));
    let id = -1;
    const how = await flood(client, () => {
      id += 2;
      client.writer.headers(id, block, 'open');
      client.writer.data(id, Buffer.from('too much'), 0, 8, 'open');
    });
    assert.is(how, calm);
    assert.ok(origin.requests.length < 2_000, `${origin.requests.length} requests`);
  });
});

for (const [what, send] of [
  ['PING', (client: H2Client) => client.writer.ping(Buffer.alloc(8), 'ask')],
  ['SETTINGS', (client: H2Client) => client.writer.settings([[settingId.initialWindowSize, 65_535]])],
  ['empty SETTINGS', (client: H2Client) => client.writer.settings([])],
  ['WINDOW_UPDATE', (client: H2Client, n: number) => client.writer.windowUpdate(0, (n % 5) + 1)],
  ['empty DATA', (client: H2Client) => client.writer.data(1, Buffer.alloc(0), 0, 0, 'open')],
] as const) {
  test(`floods of ${what} end the connection, whether the acknowledgements are read or not`, async () => {
    for (const reads of [true, false]) {
      await between(async ({ open, proxy }) => {
        const client = await open();
        client.request(post(), 'open');
        await until('the request', () => proxy.listener.activeRequests === 1);
        if (!reads) client.socket.pause();
        for (let n = 0; n < 100_000 && proxy.listener.connections > 0; n++) {
          send(client, n);
          if (n % 200 !== 199) continue;
          client.flush();
          await new Promise(resolve => setImmediate(resolve));
          if (client.closed || client.goAway !== undefined) break;
        }
        if (reads) assert.is(await client.ended(), calm);
        await until('its end', () => proxy.listener.activeRequests === 0, 20_000);
      });
    }
  });
}

test('one SETTINGS frame of thousands of values counts as thousands of frames', async () => {
  await between(async ({ open, proxy }) => {
    const client = await open();
    client.request(post(), 'open');
    await until('the request', () => proxy.listener.activeRequests === 1);
    const values = Array.from({ length: 2_700 }, (_, n) => [settingId.initialWindowSize, n % 2] as const);
    client.writer.settings(values);
    client.flush();
    assert.is(await client.ended(), calm);
  });
});

test('a client that sends requests and reads nothing has a bounded number of waiting responses, even without bodies', async () => {
  const large = 'x'.repeat(8_000);
  let answered = 0;
  await between(
    async ({ open }) => {
      const client = await open();
      client.socket.pause();
      const block = client.block(get());
      for (let id = 1; id < 20_000 && !client.closed; id += 2) {
        client.writer.headers(id, block, 'end');
        if (id % 200 !== 199) continue;
        client.flush();
        await new Promise(resolve => setImmediate(resolve));
      }
      // Some megabytes are in the system's buffers.
      assert.ok(answered < 5_000, `${answered} answers of 8 KB`);
      client.close();
    },
    {
      tap: hooks => hooks.request.tap('answer', () => reply(204, '', { 'x-large': `${++answered}${large}` })),
    },
  );
});

test('PING is acknowledged while bodies wait for a slow client', async () => {
  const large = ok('x'.repeat(12_000_000));
  const script: Script = { answer: () => large };
  await between(
    async ({ open, origin }) => {
      const client = await open([[settingId.initialWindowSize, 2 ** 31 - 1]]);
      client.writer.windowUpdate(0, 2 ** 30);
      for (let n = 0; n < 8; n++) client.request(get());
      client.socket.pause();
      await until(
        'bodies that wait',
        () =>
          origin.connections.length === 8 &&
          origin.connections.every(({ socket }) => socket.writableLength > 0),
      );
      client.writer.ping(Buffer.alloc(8), 'ask');
      // Sent last, so everything has been read once it is acknowledged.
      client.request(get());
      await until('the next request', () => origin.requests.length === 9);
      client.socket.resume();
      await until('the answer', () => client.pings === 1);
      assert.is(client.goAway, undefined);
      client.close();
    },
    { script, tap: () => {} },
  );
});

test('a client that reopens the windows for each frame of a large body is not treated as a flood', async () => {
  const size = 60_000_000;
  await between(
    async ({ open }) => {
      const client = await open();
      const { body } = await client.over(client.request(get()));
      assert.equal([body.length, client.goAway], [size, undefined]);
      client.close();
    },
    { script: { answer: () => ok('x'.repeat(size)) }, tap: () => {} },
  );
});

test('a head in endless pieces ends the connection (CONTINUATION)', async () => {
  await between(async ({ open }) => {
    const client = await open();
    const frame = (type: number, flags: number, payload: Buffer): Buffer => {
      const header = Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, 1]);
      return Buffer.concat([header, payload]);
    };
    client.socket.write(frame(1, 0, client.block(get())));
    const piece = client.block([['x', 'y']]);
    for (let n = 0; n < 5_000 && client.goAway === undefined; n++) {
      client.socket.write(frame(9, 0, piece));
      if (n % 100 === 99) await new Promise(resolve => setImmediate(resolve));
    }
    assert.match((await client.ended()) ?? '', /^(ENHANCE_YOUR_CALM|PROTOCOL_ERROR|COMPRESSION_ERROR)$/);
  });
});

test('a few bytes that expand to megabytes of fields are refused (HPACK bomb)', async () => {
  await between(async ({ open, origin }) => {
    const client = await open();
    // One field of 4 KB in the table, then references to it, one byte each.
    const first = client.block([...get(), ['x-large', 'a'.repeat(3_900)]]);
    const block = Buffer.concat([first, Buffer.alloc(16_000 - first.length, 0x80 | 62)]);
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 20; n++) {
      const id = 1 + n * 2;
      client.writer.headers(
        id,
        n === 0 ? block : Buffer.concat([client.block(get()), Buffer.alloc(15_000, 0x80 | 62)]),
        'end',
      );
      client.flush();
      const { heads, reset } = await client.over(id);
      assert.ok(heads[0]?.[1] === '431' || reset !== undefined, `${heads[0]}`);
    }
    assert.ok(process.memoryUsage().heapUsed - before < 50 * 1024 * 1024);
    assert.equal(origin.requests, []);
  });
});

test('streams over the limit are refused, and those within it are served', async () => {
  await between(
    async ({ open, origin }) => {
      const client = await open();
      for (let n = 0; n < 200; n++) client.request(get());
      await until(
        'the refusals',
        () => [...client.streams.values()].filter(({ reset }) => reset === 'REFUSED_STREAM').length === 72,
      );
      await until('the others', () => origin.requests.length === 128);
    },
    { script: { answer: silent } },
  );
});

test('waits for a window that never opens, or for a stalled upload, are bounded', async () => {
  const settings = { timeouts: { body: '300ms' } };
  const script: Script = {
    answer: ({ line }) => ok(line.includes('/large') ? 'x'.repeat(500_000) : 'hello'),
  };
  await between(
    async ({ open, proxy }) => {
      const client = await open([[settingId.initialWindowSize, 10]]);
      client.holds = true;
      const held = client.request(get('/large'));
      const upload = client.request(post(), 'open');
      assert.is((await client.over(held)).reset, 'CANCEL');
      const { heads } = await client.over(upload);
      assert.is(heads[0]?.[1], '408');
      await until('the end of both', () => proxy.listener.activeRequests === 0);
    },
    { settings, script },
  );
});

test('a client may open windows and send PINGs for each small part of a body, as gRPC clients do', async () => {
  const script: Script = {
    answer: ({ method }) => (method === 'GET' ? ok('hello') : undefined),
    onBytes: (connection, bytes) => {
      const text = bytes.toString('latin1');
      if (text.startsWith('POST')) connection.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      else if (text.includes('x')) connection.send('1\r\nx\r\n');
    },
  };
  await between(
    async ({ open }) => {
      const client = await open();
      const id = client.request(post(), 'open');
      const stream = client.seen(id);
      await until('the head', () => stream.heads.length === 1);
      for (let turn = 1; turn <= 1_000; turn++) {
        client.data(id, 'x', 'open');
        // In addition to the two updates that the client sends automatically.
        for (let n = 0; n < 2; n++) client.writer.ping(Buffer.alloc(8), 'ask');
        while (stream.dataFrames < turn && client.goAway === undefined) await nextTurn();
        assert.is(client.goAway, undefined, `in turn ${turn}`);
      }
    },
    { script },
  );
});

test('a client that reads a body byte by byte loses its connection', async () => {
  await between(
    async ({ open }) => {
      const client = await open([[settingId.initialWindowSize, 1]]);
      client.dribbles = true;
      client.request(get('/large'));
      assert.is(await client.ended(), calm);
      assert.ok(client.seen(1).body.length < 10_000, `${client.seen(1).body.length} bytes`);
    },
    { script: { answer: ({ target }) => ok(target === '/large' ? 'x'.repeat(60_000) : 'hello') } },
  );
});

test('exceeding a window is a flow-control error', async () => {
  await between(
    async ({ open }) => {
      const client = await open();
      const id = client.request(post(), 'open');
      for (let n = 0; n < 10; n++) client.data(id, 'x'.repeat(16_000), 'open');
      assert.is((await client.over(id)).reset, 'FLOW_CONTROL_ERROR');
      const other = await open();
      other.writer.windowUpdate(0, 2 ** 31 - 1);
      other.flush();
      assert.is(await other.ended(), 'FLOW_CONTROL_ERROR');
    },
    { script: { answer: silent } },
  );
});
