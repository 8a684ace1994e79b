// Broken or hostile HTTP/2 upstreams: only the affected request gets 502, or the affected connection is closed
// (RFC 9113 sections 5 to 8).
import * as assert from 'uvu/assert';
import { errorCode, settingId } from '../../core/http/h2/frames.ts';
import { workerSide } from '../../core/testing.ts';
import { retry } from '../../plugins/retry/index.ts';
import { roundRobin } from '../../plugins/round-robin/index.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, startProxyOf, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import {
  type RawAnswer,
  type RawH2Connection,
  RawH2Origin,
  type RawScript,
} from './support/raw-h2-origin.ts';

const test = suite('hostile HTTP/2 upstreams');

interface Ends {
  readonly proxy: TestProxy;
  readonly origin: RawH2Origin;
  /** Requests a path; resolves with everything received until the end of the response. */
  ask(path?: string): Promise<string>;
}

async function between(
  script: RawScript,
  use: (ends: Ends) => Promise<void>,
  options: ProxyOptions = {},
): Promise<void> {
  const origin = await RawH2Origin.start({
    ...script,
    answer: (connection, id, path) => {
      if (path === '/good') connection.ok(id);
      else script.answer?.(connection, id, path);
    },
  });
  const proxy = await startProxy({ upstreams: [origin.url], ...options });
  try {
    await use({ proxy, origin, ask: (path = '/') => ask(proxy, path) });
  } finally {
    proxy.close();
    await origin.close();
  }
}

async function ask(proxy: TestProxy, path: string): Promise<string> {
  const client = await RawClient.open(proxy.port);
  client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await until(`the answer to ${path}`, () => client.ended, 20_000);
  client.socket.destroy();
  return client.text;
}

const statusOf = (answer: string): string => answer.slice(9, 12);

const ok = [':status', '200'] as const;

/** Invalid responses: the stream is reset, and the connection stays open. */
const malformed: Record<string, RawAnswer> = {
  'no :status': (c, id) => c.head(id, [['x', 'y']], 'end'),
  'an invalid :status': (c, id) => c.head(id, [[':status', '2000']], 'end'),
  ':status twice': (c, id) => c.head(id, [ok, ok], 'end'),
  ':status after a field': (c, id) => c.head(id, [['x', 'y'], ok], 'end'),
  'another pseudo-field': (c, id) => c.head(id, [ok, [':path', '/']], 'end'),
  'a 101': (c, id) => c.head(id, [[':status', '101']]),
  'a name in upper case': (c, id) => c.head(id, [ok, ['X-Mine', 'y']], 'end'),
  'an empty name': (c, id) => c.head(id, [ok, ['', 'y']], 'end'),
  'a line end in a name': (c, id) => c.head(id, [ok, ['x\r\ny', 'z']], 'end'),
  'a line end in a value': (c, id) => c.head(id, [ok, ['x', 'y\r\nset-cookie: a=b']], 'end'),
  'a NUL in a value': (c, id) => c.head(id, [ok, ['x', 'y\0']], 'end'),
  'a blank before a value': (c, id) => c.head(id, [ok, ['x', ' y']], 'end'),
  'transfer-encoding': (c, id) => c.head(id, [ok, ['transfer-encoding', 'chunked']], 'end'),
  connection: (c, id) => c.head(id, [ok, ['connection', 'close']], 'end'),
  upgrade: (c, id) => c.head(id, [ok, ['upgrade', 'h2c']], 'end'),
  'content-length twice': (c, id) =>
    c.head(id, [ok, ['content-length', '0'], ['content-length', '0']], 'end'),
  'an invalid content-length': (c, id) => c.head(id, [ok, ['content-length', '1,1']], 'end'),
  'a content-length, and no body': (c, id) => c.head(id, [ok, ['content-length', '5']], 'end'),
  'an interim response that ends the stream': (c, id) => c.head(id, [[':status', '103']], 'end'),
  'a head over the limit': (c, id) => c.head(id, [ok, ['x', 'y'.repeat(60_000)]], 'end'),
  'a body before the head': (c, id) => c.body(id, 'early'),
};

for (const [what, answer] of Object.entries(malformed)) {
  test(`502, and the connection stays open: ${what}`, async () => {
    await between({ answer }, async ({ ask, origin }) => {
      assert.is(statusOf(await ask()), '502');
      assert.is(statusOf(await ask('/good')), '200');
      assert.is(origin.connections.length, 1);
      await until('the reset', () => origin.connections[0]?.resets.size === 1);
    });
  });
}

test('endless interim responses result in 502', async () => {
  const answer: RawAnswer = (c, id) => {
    for (let n = 0; n < 9; n++) c.head(id, [[':status', '103']]);
  };
  const settings = { limits: { interimResponses: 8 } };
  await between(
    { answer },
    async ({ ask, origin }) => {
      assert.match(await ask(), / 502 /);
      assert.is(statusOf(await ask('/good')), '200');
      assert.is(origin.connections.length, 1);
    },
    { settings },
  );
});

/** A field block that fills the table with one large entry and refers to it many times. */
function bomb(connection: RawH2Connection, id: number): void {
  const value = 'v'.repeat(3000);
  const literal = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0x99, 0x16]), Buffer.from(value)]);
  const block = Buffer.concat([Buffer.from([0x88]), literal, Buffer.alloc(12_000, 0xbe)]);
  connection.writer.headers(id, block, 'end');
  connection.flush();
}

test('an HPACK bomb counts as a head over the limit', async () => {
  await between({ answer: bomb }, async ({ ask }) => {
    assert.is(statusOf(await ask()), '502');
    assert.is(statusOf(await ask('/good')), '200');
  });
});

const frame = (type: number, flags: number, id: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
};

const raw =
  (...frames: readonly ((id: number) => Buffer)[]): RawAnswer =>
  (connection, id) => {
    for (const made of frames) connection.socket.write(made(id));
  };

/** Faults that end the connection, and the error that Weldr sends. */
const broken: Record<string, readonly [RawAnswer, string]> = {
  PUSH_PROMISE: [raw(id => frame(5, 4, id, Buffer.from([0, 0, 0, 2, 0x88]))), 'PROTOCOL_ERROR'],
  'a response on another stream': [c => c.head(99, [ok], 'end'), 'PROTOCOL_ERROR'],
  'a response on a stream with an even identifier': [c => c.head(2, [ok], 'end'), 'PROTOCOL_ERROR'],
  'SETTINGS_ENABLE_PUSH of 1': [raw(() => frame(4, 0, 0, Buffer.from([0, 2, 0, 0, 0, 1]))), 'PROTOCOL_ERROR'],
  'a window that overflows': [
    raw(() => frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))),
    'FLOW_CONTROL_ERROR',
  ],
  'a malformed field block': [raw(id => frame(1, 5, id, Buffer.from([0x80]))), 'COMPRESSION_ERROR'],
  'CONTINUATION without end': [
    raw(
      id => frame(1, 0, id, Buffer.from([0x88])),
      ...Array.from({ length: 40 }, () => (id: number) => frame(9, 0, id, Buffer.alloc(100))),
    ),
    'ENHANCE_YOUR_CALM',
  ],
  'a frame that is too large': [raw(id => frame(0, 0, id, Buffer.alloc(20_000))), 'FRAME_SIZE_ERROR'],
  'DATA after the end': [
    (c, id) => {
      c.ok(id);
      c.body(id, 'more');
    },
    'STREAM_CLOSED',
  ],
};

for (const [what, [answer, error]] of Object.entries(broken)) {
  test(`the connection ends, and another one is used: ${what}`, async () => {
    await between({ answer }, async ({ ask, origin }) => {
      const status = statusOf(await ask());
      assert.is(status, what === 'DATA after the end' ? '200' : '502');
      await until('the end', () => origin.connections[0]?.goAway !== undefined);
      assert.is(origin.connections[0]?.goAway, error);
      assert.is(statusOf(await ask('/good')), '200');
    });
  });
}

const many = (bytes: Buffer): Buffer => Buffer.concat(Array.from({ length: 50 }, () => bytes));

const floods: Record<string, (c: RawH2Connection, id: number) => void> = {
  PING: c => c.writer.ping(Buffer.alloc(8), 'ask'),
  SETTINGS: c => c.writer.settings([]),
  WINDOW_UPDATE: c => c.writer.windowUpdate(0, 1),
  'empty DATA': (c, id) => c.writer.data(id, Buffer.alloc(0), 0, 0, 'open'),
  PRIORITY: (c, id) => void c.socket.write(many(frame(2, 0, id, Buffer.from([0, 0, 0, 0, 1])))),
  'frames of an unknown type': (c, id) => void c.socket.write(many(frame(99, 0, id, Buffer.alloc(0)))),
};

for (const [what, send] of Object.entries(floods)) {
  test(`a flood ends the connection: ${what}`, async () => {
    const answer: RawAnswer = (connection, id) => {
      connection.head(id, [ok]);
      const more = (): void => {
        for (let n = 0; n < 200; n++) send(connection, id);
        connection.flush();
        if (connection.goAway === undefined && !connection.closed) setImmediate(more);
      };
      more();
    };
    await between({ answer }, async ({ ask, origin }) => {
      await ask();
      await until('the end', () => origin.connections[0]?.goAway !== undefined);
      assert.is(origin.connections[0]?.goAway, 'ENHANCE_YOUR_CALM');
      assert.is(statusOf(await ask('/good')), '200');
    });
  });
}

for (const [what, more] of [
  ['more', 'end'],
  ['fewer', 'end'],
] as const) {
  test(`a body with ${what} bytes than content-length says is cut, never complete`, async () => {
    const answer: RawAnswer = (connection, id) => {
      connection.head(id, [ok, ['content-length', '10']]);
      connection.body(id, what === 'more' ? 'x'.repeat(11) : 'x'.repeat(9), more);
    };
    await between({ answer }, async ({ ask, proxy, origin }) => {
      const text = await ask();
      assert.not.match(text, /\r\n\r\nx{10}/);
      assert.is(proxy.finished[0]?.error?.code, 'BODY_CUT');
      assert.is(statusOf(await ask('/good')), '200');
      assert.is(origin.connections.length, 1);
    });
  });
}

test('a stream that exceeds its window ends', async () => {
  const answer: RawAnswer = (connection, id) => {
    connection.head(id, [ok]);
    // The body is not read, so no window is reopened.
    for (let n = 0; n < 400; n++) connection.body(id, 'x'.repeat(16_000), 'open');
  };
  await between({ answer }, async ({ proxy, origin }) => {
    const client = await RawClient.open(proxy.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until('the reset', () => [...(origin.connections[0]?.resets.values() ?? [])].length > 0);
    assert.equal([...(origin.connections[0]?.resets.values() ?? [])], ['FLOW_CONTROL_ERROR']);
    client.socket.destroy();
  });
});

test('requests to a silent upstream time out, and the connection ends', async () => {
  await between(
    { isMute: true, onPing: () => {} },
    async ({ ask, origin }) => {
      assert.is(statusOf(await ask()), '504');
      await until('the end of the connection', () => origin.connections[0]?.closed === true);
    },
    { settings: { timeouts: { response: 100 } } },
  );
});

test('a request that times out is cancelled, and the connection is kept if it answers a PING', async () => {
  await between(
    {},
    async ({ ask, origin }) => {
      assert.is(statusOf(await ask()), '504');
      assert.is(origin.connections[0]?.resets.get(1), 'CANCEL');
      await until('the answer to the PING', () => origin.connections.length === 1);
      for (let n = 0; n < 3; n++) assert.is(statusOf(await ask('/good')), '200');
    },
    { settings: { timeouts: { response: 100 } } },
  );
});

// --- what may be retried -------------------------------------------------------------------------------------------

async function withRetry(
  script: RawScript,
  use: (proxy: TestProxy, origin: RawH2Origin) => Promise<void>,
): Promise<void> {
  const origin = await RawH2Origin.start(script);
  const side = await workerSide([roundRobin(), retry()], { upstreams: [origin.url] });
  const proxy = await startProxyOf(side);
  try {
    await use(proxy, origin);
  } finally {
    proxy.close();
    await origin.close();
  }
}

async function post(proxy: TestProxy): Promise<string> {
  const client = await RawClient.open(proxy.port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext');
  await until('the answer', () => client.ended);
  return client.text;
}

test('a refused stream is retried, whatever its method', async () => {
  const answer: RawAnswer = (connection, id) => {
    if (id > 1) connection.ok(id);
    else {
      connection.writer.rstStream(id, errorCode.refusedStream);
      connection.flush();
    }
  };
  await withRetry({ answer }, async (proxy, origin) => {
    assert.is(statusOf(await post(proxy)), '200');
    assert.equal([origin.connections.length, origin.connections[0]?.bodies.get(3)], [1, 4]);
  });
});

test('a stream above the last one in a GOAWAY is retried on another connection, whatever its method', async () => {
  let goes = 0;
  const answer: RawAnswer = (connection, id) => {
    if (goes++ > 0) connection.ok(id);
    else {
      connection.writer.goAway(0, errorCode.noError);
      connection.flush();
    }
  };
  await withRetry({ answer }, async (proxy, origin) => {
    assert.is(statusOf(await post(proxy)), '200');
    assert.is(origin.connections.length, 2);
    await until('the end of the first', () => origin.connections[0]?.closed === true);
  });
});

test('a stream reset for another reason may have been executed, so a POST is not retried', async () => {
  let goes = 0;
  const answer: RawAnswer = (connection, id) => {
    goes++;
    connection.writer.rstStream(id, errorCode.internalError);
    connection.flush();
  };
  await withRetry({ answer }, async proxy => {
    assert.is(statusOf(await post(proxy)), '502');
    assert.is(goes, 1);
  });
});

test('requests go to a second connection when the upstream allows fewer streams than there are', async () => {
  const answer: RawAnswer = (connection, id) => void setTimeout(() => connection.ok(id), 30);
  await between({ answer, settings: [[settingId.maxConcurrentStreams, 1]] }, async ({ ask, origin }) => {
    await ask('/good');
    const all = await Promise.all([ask(), ask(), ask()]);
    assert.ok(all.every(text => statusOf(text) === '200'));
    assert.is(origin.connections.length, 3);
  });
});

test('an upload that waits for its client gives way to a request that waits for a stream', async () => {
  await between(
    { settings: [[settingId.maxConcurrentStreams, 1]] },
    async ({ ask, proxy, origin }) => {
      assert.is(statusOf(await ask('/good')), '200');
      const client = await RawClient.open(proxy.port);
      client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegin');
      await until('the upload', () => origin.connections[0]?.bodies.get(3) === 5);
      assert.is(statusOf(await ask('/good')), '200');
      await until('its answer', () => client.text.startsWith('HTTP/1.1 408'));
      assert.equal([origin.connections.length, origin.connections[0]?.resets.get(3)], [1, 'CANCEL']);
      client.socket.destroy();
    },
    { settings: { limits: { upstreamConnections: 1 } } },
  );
});
