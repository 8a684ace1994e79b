// HTTP/2 upstreams that keep a proxy busy at little cost: unrequested frames, windows that stay shut, connections that end
// before they serve (faults that clients can have too are in upstream-h2-hostile.test.ts).
import * as assert from 'uvu/assert';
import { errorCode, settingId } from '../../core/http/h2/frames.ts';
import { workerSide } from '../../core/testing.ts';
import { retry } from '../../plugins/retry/index.ts';
import { roundRobin } from '../../plugins/round-robin/index.ts';
import { frame, uint32 } from '../core/http/h2/frame-bytes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { type ProxyOptions, startProxy, startProxyOf, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { type RawAnswer, RawH2Origin, type RawScript } from './support/raw-h2-origin.ts';

const test = suite('HTTP/2 upstreams that lead nowhere');

const ok = [':status', '200'] as const;
const statusOf = (answer: string): string => answer.slice(9, 12);

async function ask(proxy: TestProxy, path = '/'): Promise<string> {
  const client = await RawClient.open(proxy.port);
  client.send(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  const text = await client.untilEnd(20_000);
  client.close();
  return text;
}

async function between(
  script: RawScript,
  use: (proxy: TestProxy, origin: RawH2Origin) => Promise<void>,
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
    await use(proxy, origin);
  } finally {
    proxy.close();
    await origin.close();
  }
}

/** Frames of a flood, on a connection whose stream is open. */
const floods: Record<string, (id: number) => string> = {
  'acknowledgements of PING': () => frame(6, 1, 0, '12345678'),
  'acknowledgements of SETTINGS': () => frame(4, 1, 0),
  'GOAWAY that keeps the stream': () => frame(7, 0, 0, uint32(2 ** 31 - 1) + uint32(0)),
  'RST_STREAM on a closed stream (rapid reset)': id => frame(3, 0, id - 2, uint32(errorCode.cancel)),
  'heads on a stream that was reset': id => frame(1, 4, id - 2, '\x88'),
  'settings that shut and open windows': () => frame(4, 0, 0, `\0\x04${uint32(0)}\0\x04${uint32(1)}`),
};

for (const [what, bytes] of Object.entries(floods)) {
  test(`a flood ends the connection: ${what}`, async () => {
    const answer: RawAnswer = (connection, id, path) => {
      // Malformed, so the proxy resets it.
      if (path === '/malformed') {
        connection.head(id, [['x', 'y']]);
        return;
      }
      connection.head(id, [ok]);
      const frames = Buffer.from(bytes(id).repeat(200), 'latin1');
      const more = (): void => {
        if (connection.goAway !== undefined || connection.closed) return;
        connection.socket.write(frames);
        setImmediate(more);
      };
      more();
    };
    await between({ answer }, async (proxy, origin) => {
      assert.is(statusOf(await ask(proxy, '/malformed')), '502');
      const [connection] = origin.connections;
      await ask(proxy);
      await until('the end', () => connection?.goAway !== undefined);
      assert.equal([origin.connections.length, connection?.goAway], [1, 'ENHANCE_YOUR_CALM']);
      assert.is(statusOf(await ask(proxy, '/good')), '200');
    });
  });
}

for (const [what, frames] of [
  ['a field section', (id: number) => frame(1, 0, id, '\x88')],
  ['a frame', (id: number) => frame(1, 5, id, '\x88').slice(0, 5)],
  ['a body', (id: number) => frame(1, 4, id, '\x88') + frame(0, 0, id, 'part')],
] as const) {
  test(`a connection that ends within ${what} fails its requests, and no others`, async () => {
    const paths: string[] = [];
    const answer: RawAnswer = ({ socket }, id, path) => {
      paths.push(path);
      if (path === '/waits') return;
      socket.write(Buffer.from(frames(id), 'latin1'), () => socket.resetAndDestroy());
    };
    await between({ answer }, async (proxy, origin) => {
      const waits = ask(proxy, '/waits');
      await until('the first request', () => paths.length === 1);
      const text = await ask(proxy);
      assert.is(statusOf(text), what === 'a body' ? '200' : '502');
      assert.not.match(text, /\r\n0\r\n\r\n$/);
      assert.is(statusOf(await waits), '502');
      assert.is(statusOf(await ask(proxy, '/good')), '200');
      assert.is(origin.connections.length, 2);
    });
  });
}

test('an upload without a window results in 504, and the connection keeps serving', async () => {
  await between(
    { settings: [[settingId.initialWindowSize, 0]] },
    async (proxy, origin) => {
      // The first request may be sent before the setting has arrived.
      assert.is(statusOf(await ask(proxy, '/good')), '200');
      const client = await RawClient.open(proxy.port);
      client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext');
      assert.is(statusOf(await client.untilEnd()), '504');
      client.close();
      assert.equal([origin.connections.length, origin.connections[0]?.bodies.get(3)], [1, undefined]);
      assert.is(statusOf(await ask(proxy, '/good')), '200');
    },
    { settings: { timeouts: { response: 200 } } },
  );
});

for (const [what, script] of [
  ['allows no stream', { settings: [[settingId.maxConcurrentStreams, 0]] }],
  ['takes no head', { settings: [[settingId.maxHeaderListSize, 0]] }],
] as const) {
  test(`an upstream that ${what} gets few connections, and holds no request forever`, async () => {
    await between(
      script,
      async (proxy, origin) => {
        for (let n = 0; n < 5; n++) assert.match(statusOf(await ask(proxy)), /^(431|50[234])$/);
        assert.ok(origin.connections.length <= 5, `${origin.connections.length} connections`);
      },
      { settings: { timeouts: { response: 100, connect: 300 } } },
    );
  });
}

/** Ways to end connections before they serve anything. */
const refusals: Record<string, RawScript> = {
  'GOAWAY at once': {
    onOpen: connection => {
      connection.writer.goAway(0, errorCode.noError);
      connection.flush();
    },
  },
  'GOAWAY for each request': {
    answer: connection => {
      connection.writer.goAway(0, errorCode.noError);
      connection.flush();
    },
  },
  'a reset of each stream, as refused': {
    answer: (connection, id) => {
      connection.writer.rstStream(id, errorCode.refusedStream);
      connection.flush();
    },
  },
  'an end of each connection': { onOpen: ({ socket }) => void socket.destroy() },
};

for (const [what, script] of Object.entries(refusals)) {
  test(`attempts are bounded: ${what}`, async () => {
    const origin = await RawH2Origin.start(script);
    const side = await workerSide([roundRobin(), retry()], { upstreams: [origin.url] });
    const proxy = await startProxyOf(side);
    try {
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask(proxy)));
      for (const answer of answers) assert.match(statusOf(answer), /^50[234]$/);
      assert.ok(origin.connections.length <= 50, `${origin.connections.length} connections`);
    } finally {
      proxy.close();
      await origin.close();
    }
  });
}
