// What RFC 9113 and RFC 7541 require of a server, section by section: frames and their outcome.
import { once } from 'node:events';
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import { settingId } from '../../core/http/h2/frames.ts';
import { emptySettings, frame, preface, setting, uint32 } from '../core/http/h2/frame-bytes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { get, post } from './support/h2-client.ts';
import { between } from './support/h2-ends.ts';
import { RawClient } from './support/raw-client.ts';
import { ok } from './support/scripted-origin.ts';

const test = suite('HTTP/2 and HPACK requirements');

const data = (flags: number, stream: number, payload = ''): string => frame(0, flags, stream, payload);
const headers = (flags: number, stream: number, payload: string): string => frame(1, flags, stream, payload);
const continuation = (flags: number, stream: number, payload: string): string =>
  frame(9, flags, stream, payload);
const ping = frame(6, 0, 0, '12345678');

/** A GET and a POST that neither read nor change a table. */
const asGet = '\x82\x86\x84\x01\x09shop.test';
const asPost = '\x83\x86\x84\x01\x09shop.test';
/** One with an additional field. */
const withField = (field: string): string => asGet + field;

/** `served`: the connection stays open and serves a request. `ends`: it ends with this error. `resets`: a stream is reset. */
type Outcome = 'served' | { readonly ends: string } | { readonly resets: number; readonly with: string };

const endsWith = (error: string): Outcome => ({ ends: error });
const protocolError = endsWith('PROTOCOL_ERROR');
const sizeError = endsWith('FRAME_SIZE_ERROR');
const closedError = endsWith('STREAM_CLOSED');
const compressionError = endsWith('COMPRESSION_ERROR');
const resets = (stream: number, error: string): Outcome => ({ resets: stream, with: error });

const cases: readonly (readonly [requirement: string, frames: string, outcome: Outcome])[] = [
  [
    '4.1 a frame of an unknown type is ignored',
    frame(0xee, 0xff, 0, 'xyz') + frame(0xee, 0, 7, ''),
    'served',
  ],
  [
    '4.1 flags without a meaning are ignored',
    frame(6, 0xfe, 0, '12345678') + headers(0xd7, 1, asGet),
    'served',
  ],
  ['4.1 the reserved bit of a stream identifier is ignored', headers(5, 0x80000001, asGet), 'served'],
  ['4.2 DATA over the limit', headers(4, 1, asPost) + data(0, 1, 'x'.repeat(16_385)), sizeError],
  ['4.2 HEADERS over the limit', headers(5, 1, 'x'.repeat(16_385)), sizeError],
  ['4.2 an unknown type over the limit', frame(0xee, 0, 0, 'x'.repeat(16_385)), sizeError],
  ['4.2 DATA at the limit', headers(4, 1, asPost) + data(1, 1, 'x'.repeat(16_384)), 'served'],
  ['4.3 a block that cannot be decoded', headers(5, 1, '\x40'), compressionError],
  ['4.3 the block of a refused stream', headers(5, 1, '\x82\x40'), compressionError],
  ['4.3 another stream within a block', headers(1, 1, asGet) + headers(5, 3, asGet), protocolError],
  ['4.3 DATA within a block', headers(0, 1, asPost) + data(1, 1), protocolError],
  ['4.3 PING within a block', headers(1, 1, asGet) + ping, protocolError],
  ['5.5 an unknown type within a block', headers(1, 1, asGet) + frame(0xee, 0, 1), protocolError],
  [
    '4.3 a block in three frames',
    headers(1, 1, asGet.slice(0, 2)) +
      continuation(0, 1, asGet.slice(2, 5)) +
      continuation(4, 1, asGet.slice(5)),
    'served',
  ],
  ['5.1 DATA on an idle stream', data(1, 1, 'x'), protocolError],
  ['5.1 RST_STREAM on an idle stream', frame(3, 0, 1, uint32(8)), protocolError],
  ['5.1 WINDOW_UPDATE on an idle stream', frame(8, 0, 1, uint32(1)), protocolError],
  ['5.1 CONTINUATION on an idle stream', continuation(4, 1, asGet), protocolError],
  ['5.1 PRIORITY on an idle stream', frame(2, 0, 99, `${uint32(0)}x`), 'served'],
  ['5.1 DATA after END_STREAM', headers(5, 1, asGet) + data(1, 1, 'x'), resets(1, 'STREAM_CLOSED')],
  ['5.1 HEADERS after END_STREAM', headers(5, 1, asGet) + headers(5, 1, asGet), resets(1, 'STREAM_CLOSED')],
  ['5.1 WINDOW_UPDATE after END_STREAM', headers(5, 1, asGet) + frame(8, 0, 1, uint32(1)), 'served'],
  ['5.1 RST_STREAM after END_STREAM', headers(5, 1, asGet) + frame(3, 0, 1, uint32(8)), 'served'],
  [
    '5.1 DATA after RST_STREAM',
    headers(4, 1, asPost) + frame(3, 0, 1, uint32(8)) + data(1, 1, 'x'),
    closedError,
  ],
  [
    '5.1 HEADERS after RST_STREAM',
    headers(4, 1, asPost) + frame(3, 0, 1, uint32(8)) + headers(5, 1, asGet),
    closedError,
  ],
  [
    '5.1 WINDOW_UPDATE after RST_STREAM',
    headers(4, 1, asPost) + frame(3, 0, 1, uint32(8)) + frame(8, 0, 1, uint32(1)),
    'served',
  ],
  [
    '5.1 PRIORITY after RST_STREAM',
    headers(4, 1, asPost) + frame(3, 0, 1, uint32(8)) + frame(2, 0, 1, `${uint32(0)}x`),
    'served',
  ],
  ['5.1.1 a stream with an even identifier', headers(5, 2, asGet), protocolError],
  ['5.1.1 a stream with a lower identifier', headers(5, 5, asGet) + headers(5, 3, asGet), closedError],
  ['5.1.1 a stream that was skipped is closed', headers(5, 5, asGet) + data(1, 3, 'x'), closedError],
  ['6.1 DATA on stream 0', data(1, 0, 'x'), protocolError],
  ['6.1 padding as long as the payload', headers(4, 1, asPost) + data(9, 1, '\x05xxxx'), protocolError],
  ['6.1 nothing but padding', headers(4, 1, asPost) + data(9, 1, '\x05xxxxx'), 'served'],
  ['6.1 no room for the pad length', headers(4, 1, asPost) + data(9, 1, ''), sizeError],
  ['6.2 HEADERS on stream 0', headers(5, 0, asGet), protocolError],
  ['6.2 padding longer than the payload', headers(13, 1, `\xff${asGet}`), protocolError],
  ['6.2 padding and priority', headers(0x2d, 1, `\x02${uint32(0)}x${asGet}\0\0`), 'served'],
  ['6.2 no room for priority fields', headers(0x25, 1, 'xxxx'), sizeError],
  ['6.3 PRIORITY on stream 0', frame(2, 0, 0, `${uint32(1)}x`), protocolError],
  [
    '6.3 PRIORITY with the wrong length',
    headers(4, 1, asPost) + frame(2, 0, 1, 'xxxx'),
    resets(1, 'FRAME_SIZE_ERROR'),
  ],
  ['6.4 RST_STREAM on stream 0', frame(3, 0, 0, uint32(8)), protocolError],
  ['6.4 RST_STREAM with the wrong length', headers(4, 1, asPost) + frame(3, 0, 1, 'xxx'), sizeError],
  ['6.4 RST_STREAM with an unknown code', headers(4, 1, asPost) + frame(3, 0, 1, uint32(0xffff)), 'served'],
  ['6.5 SETTINGS on a stream', frame(4, 0, 1, setting(3, 1)), protocolError],
  ['6.5 SETTINGS with the wrong length', frame(4, 0, 0, 'xxxxx'), sizeError],
  ['6.5 an acknowledgement with settings', frame(4, 1, 0, setting(3, 1)), sizeError],
  ['6.5.2 ENABLE_PUSH of 2', frame(4, 0, 0, setting(2, 2)), protocolError],
  ['6.5.2 INITIAL_WINDOW_SIZE of 2^31', frame(4, 0, 0, setting(4, 2 ** 31)), endsWith('FLOW_CONTROL_ERROR')],
  ['6.5.2 MAX_FRAME_SIZE below the initial value', frame(4, 0, 0, setting(5, 16_383)), protocolError],
  ['6.5.2 MAX_FRAME_SIZE of 2^24', frame(4, 0, 0, setting(5, 2 ** 24)), protocolError],
  ['6.5.2 an unknown setting', frame(4, 0, 0, setting(0xff, 5)), 'served'],
  ['6.6 PUSH_PROMISE from a client', frame(5, 4, 1, uint32(2) + asGet), protocolError],
  ['6.7 PING on a stream', frame(6, 0, 1, '12345678'), protocolError],
  ['6.7 PING with the wrong length', frame(6, 0, 0, '1234567'), sizeError],
  ['6.7 an unexpected acknowledgement', frame(6, 1, 0, '12345678'), 'served'],
  ['6.8 GOAWAY on a stream', frame(7, 0, 1, uint32(0) + uint32(0)), protocolError],
  ['6.8 GOAWAY without room for its code', frame(7, 0, 0, uint32(0)), sizeError],
  ['6.9 an increment of 0 for the connection', frame(8, 0, 0, uint32(0)), protocolError],
  [
    '6.9 an increment of 0 for a stream',
    headers(4, 1, asPost) + frame(8, 0, 1, uint32(0)),
    resets(1, 'PROTOCOL_ERROR'),
  ],
  ['6.9 WINDOW_UPDATE with the wrong length', frame(8, 0, 0, 'xxx'), sizeError],
  [
    "6.9.1 a connection's window over 2^31-1",
    frame(8, 0, 0, uint32(2 ** 31 - 1)),
    endsWith('FLOW_CONTROL_ERROR'),
  ],
  [
    "6.9.1 a stream's window over 2^31-1",
    headers(4, 1, asPost) + frame(8, 0, 1, uint32(2 ** 31 - 1)),
    resets(1, 'FLOW_CONTROL_ERROR'),
  ],
  [
    '6.9.2 windows that a setting raises over 2^31-1',
    headers(4, 1, asPost) + frame(8, 0, 1, uint32(1)) + frame(4, 0, 0, setting(4, 2 ** 31 - 1)),
    endsWith('FLOW_CONTROL_ERROR'),
  ],
  ['6.10 CONTINUATION after END_HEADERS', headers(4, 1, asPost) + continuation(4, 1, ''), protocolError],
  ['6.10 CONTINUATION on stream 0', headers(1, 1, asGet) + continuation(4, 0, ''), protocolError],
  [
    '6.10 CONTINUATION after DATA',
    headers(4, 1, asPost) + data(0, 1, 'x') + continuation(4, 1, asGet),
    protocolError,
  ],
  [
    '8.1 trailers without END_STREAM',
    headers(4, 1, asPost) + headers(4, 1, '\0\x01x\x01y'),
    resets(1, 'PROTOCOL_ERROR'),
  ],
  [
    '8.1 HEADERS after trailers',
    headers(4, 1, asPost) + headers(5, 1, '\0\x01x\x01y') + headers(5, 1, '\0\x01x\x01y'),
    resets(1, 'STREAM_CLOSED'),
  ],
  ['8.2.1 a name in upper case', headers(5, 1, withField('\0\x01X\x01y')), resets(1, 'PROTOCOL_ERROR')],
  [
    '8.2.2 a connection-specific field',
    headers(5, 1, withField('\0\x0aconnection\x05close')),
    resets(1, 'PROTOCOL_ERROR'),
  ],
  ['8.3 a pseudo-field after others', headers(5, 1, '\x82\x86\0\x01x\x01y\x84'), resets(1, 'PROTOCOL_ERROR')],
  [
    '8.3 a pseudo-field in trailers',
    headers(4, 1, asPost) + headers(5, 1, '\x84'),
    resets(1, 'PROTOCOL_ERROR'),
  ],
  ['8.3.1 two paths', headers(5, 1, withField('\x84')), resets(1, 'PROTOCOL_ERROR')],
  [
    '8.1.1 a body that does not match content-length',
    headers(4, 1, `${asPost}\x0f\x0d\x011`) + data(1, 1, 'xx'),
    resets(1, 'PROTOCOL_ERROR'),
  ],
  ['HPACK 2.3.3 an index beyond the tables', headers(5, 1, withField('\xbe')), compressionError],
  [
    'HPACK 2.3.3 a name from an index beyond the tables',
    headers(5, 1, withField('\x7f\x00\x01y')),
    compressionError,
  ],
  ['HPACK 4.2 a table size after a field', headers(5, 1, withField('\x20')), compressionError],
  ['HPACK 4.2 a table size before the fields', headers(5, 1, `\x20${asGet}`), 'served'],
  [
    'HPACK 5.1 an integer that never ends',
    headers(5, 1, withField(`\x7f${'\xff'.repeat(20)}`)),
    compressionError,
  ],
  [
    'HPACK 5.2 Huffman code with padding of 8 bits',
    headers(5, 1, withField('\0\x01x\x82\x1f\xff')),
    compressionError,
  ],
  [
    'HPACK 5.2 Huffman code with padding of zeros',
    headers(5, 1, withField('\0\x01x\x81\x18')),
    compressionError,
  ],
  [
    'HPACK 5.2 Huffman code with EOS',
    headers(5, 1, withField('\0\x01x\x84\xff\xff\xff\xff')),
    compressionError,
  ],
  ['HPACK 5.2 a string longer than its block', headers(5, 1, withField('\0\x01x\x05y')), compressionError],
  ['HPACK 6.1 the index 0', headers(5, 1, withField('\x80')), compressionError],
  ['HPACK 6.3 a table size above the setting', headers(5, 1, `\x3f\xe2\x1f${asGet}`), compressionError],
];

for (const [requirement, frames, outcome] of cases) {
  test(requirement, async () => {
    // The responses are delayed, so that streams still exist when the last frame has arrived.
    const waiting: (() => void)[] = [];
    await between(
      async ({ open, proxy }) => {
        const client = await open();
        client.socket.write(Buffer.from(frames, 'latin1'));
        if (outcome === 'served') {
          client.writer.ping(Buffer.alloc(8), 'ask');
          client.writer.headers(101, Buffer.from(asGet, 'latin1'), 'end');
          client.flush();
          await until('the request', () => waiting.length > 0);
          await until('the answer of PING', () => client.pings > 0);
          const answered = until('the answer', () => client.streams.get(101)?.ended === true);
          const sending = setInterval(() => {
            for (const send of waiting.splice(0)) send();
          }, 1);
          await answered;
          clearInterval(sending);
          assert.is(client.goAway, undefined);
        } else if ('ends' in outcome) {
          assert.is(await client.ended(), outcome.ends);
        } else {
          assert.is((await client.over(outcome.resets)).reset, outcome.with);
          assert.is(client.goAway, undefined);
        }
        client.close();
        await until('its end', () => proxy.listener.activeRequests === 0);
      },
      {
        script: {
          answer: ({ connection }) => {
            waiting.push(() => connection.send(ok('hello')));
            return undefined;
          },
        },
        tap: () => {},
      },
    );
  });
}

test('3.4 a connection begins with the preface and SETTINGS', async () => {
  await between(async ({ proxy }) => {
    for (const [bytes, error] of [
      [preface + ping, 1],
      [preface + frame(4, 1, 0), 1],
      [preface + emptySettings + ping, undefined],
    ] as const) {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.write(bytes);
      socket.on('error', () => {});
      if (error === undefined) {
        await once(socket, 'data');
        socket.destroy();
        continue;
      }
      let text = '';
      for await (const chunk of socket) text += (chunk as Buffer).toString('latin1');
      const goAway = text.lastIndexOf(`\x07\0\0\0\0\0${uint32(0)}${uint32(error)}`);
      assert.ok(goAway > 0, JSON.stringify(text));
    }
  });
});

test('3.4 anything but the preface or an HTTP/1.1 request line is an invalid preface', async () => {
  await between(async ({ proxy, origin }) => {
    for (const pieces of [
      ['INVALID CONNECTION PREFACE\r\n\r\n'],
      ['INVALID CONN', 'ECTION PREFACE', '\r\n'],
      [`${preface.slice(0, 20)}XX\r\n${emptySettings}`],
      ['PRI * HTTP/1.1\r\nHost: a.test\r\n\r\n'],
    ]) {
      const client = await RawClient.open(proxy.port);
      await client.sendPieces(pieces);
      // A GOAWAY that names no stream, with PROTOCOL_ERROR.
      const text = await client.untilEnd();
      assert.match(text, new RegExp(`\\x07\0{5}${uint32(0)}${uint32(1)}`), JSON.stringify(pieces));
      assert.not.match(text, /HTTP\/1/);
      client.close();
    }
    assert.equal(origin.requests, []);
  });
});

test('3.4 invalid HTTP/1.1 requests get HTTP/1.1 responses on the same port', async () => {
  await between(async ({ proxy }) => {
    for (const [head, status] of [
      ['GET / HTTP/1.9\r\n\r\n', 505],
      ['GET /\r\n\r\n', 400],
      ['GET x HTTP/1.1\r\nHost: a.test\r\n\r\n', 400],
      ['CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n', 405],
      ['GET / HTTP/1.1\r\n\r\n', 400],
    ] as const) {
      const client = await RawClient.open(proxy.port);
      client.send(head);
      assert.match(await client.untilEnd(), new RegExp(`^HTTP/1\\.1 ${status} `), head);
      client.close();
    }
  });
});

test('6.5.3 and 6.7 SETTINGS and PING are acknowledged in order', async () => {
  await between(async ({ open }) => {
    const client = await open();
    await until('the first', () => client.settingsAcks === 0 && client.streams.size === 0);
    for (let n = 0; n < 10; n++) {
      client.writer.settings([[settingId.initialWindowSize, 70_000 + n]]);
      client.writer.ping(Buffer.from([1, 2, 3, 4, 5, 6, 7, n]), 'ask');
    }
    client.flush();
    await until('the answers', () => client.pings === 10 && client.settingsAcks === 11);
  });
});

test('6.9.2 a setting that makes a window negative holds a body until the window is positive again', async () => {
  await between(
    async ({ open }) => {
      const client = await open([[settingId.initialWindowSize, 10]]);
      client.holds = true;
      const id = client.request(get());
      const seen = client.seen(id);
      await until('the first bytes', () => seen.body.length === 10);
      client.writer.settings([[settingId.initialWindowSize, 4]]);
      client.writer.windowUpdate(id, 5);
      client.writer.ping(Buffer.alloc(8), 'ask');
      client.flush();
      await until('the answer', () => client.pings === 1);
      assert.is(seen.body.length, 10);
      client.writer.windowUpdate(id, 4);
      client.flush();
      await until('three more', () => seen.body.length === 13);
      client.writer.settings([[settingId.initialWindowSize, 1000]]);
      client.flush();
      await client.over(id);
      assert.is(seen.body, 'x'.repeat(100));
      client.close();
    },
    { script: { answer: () => ok('x'.repeat(100)) }, tap: () => {} },
  );
});

test('5.2 an upload that its server does not read does not delay others', async () => {
  await between(
    async ({ open, origin }) => {
      const client = await open();
      const held = client.request(post('/held'), 'open');
      client.data(held, 'x', 'open');
      await until('the upload', () => origin.connections.length === 1);
      origin.connections[0]?.socket.pause();
      for (let n = 0; n < 4; n++) client.data(held, 'x'.repeat(16_000), 'open');
      for (let n = 0; n < 40; n++) {
        const id = client.request(post('/free'), 'open');
        client.data(id, 'y'.repeat(16_000), 'open');
        client.data(id, 'y'.repeat(16_000), 'end');
        assert.is((await client.over(id)).body, '32000');
      }
      client.close();
    },
    { script: { answer: ({ body }) => ok(`${body.length}`) }, tap: () => {} },
  );
});
