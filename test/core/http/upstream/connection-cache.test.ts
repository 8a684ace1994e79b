// ConnectionCache: connections that take several streams, as in HTTP/2; those of HTTP/1.1 are tested on the
// wire.
import * as assert from 'uvu/assert';
import type { WeldrError } from '../../../../core/errors.ts';
import { Deadlines } from '../../../../core/http/exchange/deadlines.ts';
import type { Peer, UpstreamStream } from '../../../../core/http/exchange/streams.ts';
import { ConnectionCache } from '../../../../core/http/upstream/connection-cache.ts';
import type { StreamTaker } from '../../../../core/http/upstream/stream-queue.ts';
import type {
  ConnectionHome,
  UpstreamConnection,
} from '../../../../core/http/upstream/upstream-connection.ts';
import { settingsSchema } from '../../../../core/settings/settings.ts';
import { noConnections } from '../../../../core/stages/connection-info.ts';
import { pool } from '../../../../core/testing/pool.ts';
import { localPeer } from '../../../support/peer.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('ConnectionCache');
const ignore = (): void => {};
const unasked = (): never => {
  throw new Error('the protocol is known');
};

/** A connection that takes several streams at once. */
class FakeConnection implements UpstreamConnection {
  readonly kind = 'h2';
  openedAt = performance.now();
  streams = 0;
  idleUntil = 0;
  listed = false;
  destroyed = false;
  lags = false;
  uploads = false;
  readonly client: Peer | undefined;
  private readonly home: ConnectionHome;
  private readonly most: number;

  constructor(home: ConnectionHome, most: number, client: Peer | undefined) {
    this.home = home;
    this.client = client;
    this.most = most;
  }

  get capacity(): number {
    return this.destroyed ? 0 : this.most - this.streams;
  }

  openStream(): UpstreamStream {
    this.streams++;
    return new FakeStream(this);
  }

  endStream(): void {
    this.streams--;
    this.home.putBack(this, undefined);
  }

  rest(ms: number): void {
    this.idleUntil = this.home.deadlines.now + ms;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.home.forget(this);
  }

  giveWay(): void {
    this.destroy();
  }
}

class FakeStream implements UpstreamStream {
  readonly reused = false;
  readonly connected = true;
  readonly takes = 'payload';
  readonly connection: FakeConnection;
  readonly send = ignore;
  readonly cork = ignore;
  readonly uncork = ignore;
  readonly write = (): boolean => true;
  readonly clientSent = ignore;
  readonly endRequest = ignore;
  readonly hold = ignore;
  readonly release = ignore;
  readonly cancel = ignore;

  constructor(connection: FakeConnection) {
    this.connection = connection;
  }
}

class Taker implements StreamTaker {
  readonly peer: Peer | undefined;
  stream: UpstreamStream | undefined = undefined;
  error: WeldrError | undefined = undefined;
  readiness: StreamTaker['readiness'] = 'whole';
  wasToWait = false;
  readonly connectTimeout = 1000;

  constructor(peer?: Peer) {
    this.peer = peer;
  }

  awaitConnection(): void {}

  awaitBeginning(): void {
    this.wasToWait = true;
  }
  takeStream(stream: UpstreamStream): void {
    this.stream = stream;
  }
  goWithout(error: WeldrError): void {
    this.error = error;
  }
}

interface Parts {
  readonly cache: ConnectionCache;
  readonly made: FakeConnection[];
  /** Asks for a stream. */
  acquire(use?: 'requests' | 'upgrade', taker?: Taker): Taker;
}

/** A cache of at most two connections that take `streams` each, and may be idle for ten minutes. */
function withCache(
  streams: number,
  use: (parts: Parts) => void,
  server: { readonly url?: string; readonly proxyProtocol?: 'v1' } = {},
): void {
  const deadlines = new Deadlines(1000);
  const settings = settingsSchema.parse({
    limits: { upstreamConnections: 2, upstreamQueue: 2 },
    timeouts: { upstreamIdle: '10m' },
  });
  const [upstream] = pool([{ url: 'http://127.0.0.1:9', ...server }]).available;
  assert.ok(upstream);
  const made: FakeConnection[] = [];
  const cache = new ConnectionCache(upstream, settings, deadlines, {
    connect(home, _, client) {
      const connection = new FakeConnection(home, streams, client);
      made.push(connection);
      return connection;
    },
    dial: unasked,
    speak: unasked,
  });
  const acquire: Parts['acquire'] = (use = 'requests', taker = new Taker()) => {
    cache.acquire(taker, use);
    return taker;
  };
  try {
    use({ cache, made, acquire });
  } finally {
    cache.close();
    deadlines.close();
  }
}

test('a connection is used for as many streams as it takes before another is opened', () => {
  withCache(3, ({ made, acquire }) => {
    for (let n = 0; n < 3; n++) assert.ok(acquire().stream);
    assert.is(made.length, 1);
    assert.ok(acquire().stream);
    assert.equal(
      made.map(({ streams }) => streams),
      [3, 1],
    );
  });
});

test('a stream that ends makes room for the one that has waited longest', () => {
  withCache(2, ({ made, acquire }) => {
    for (let n = 0; n < 4; n++) acquire();
    const [first, second, third] = [acquire(), acquire(), acquire()];
    assert.is(third.error?.code, 'UPSTREAM_BUSY');
    assert.is(first.stream, undefined);
    made[0]?.endStream();
    assert.ok(first.stream);
    assert.is(second.stream, undefined);
    made[1]?.endStream();
    assert.ok(second.stream);
    assert.equal(
      made.map(({ streams }) => streams),
      [2, 2],
    );
  });
});

test('a connection with room that still has streams is neither closed for a drain nor for an upgrade', () => {
  withCache(2, ({ cache, made, acquire }) => {
    for (let n = 0; n < 3; n++) acquire();
    assert.is(acquire('upgrade').stream, undefined);
    cache.closeIdle();
    assert.equal(
      made.map(({ destroyed }) => destroyed),
      [false, false],
    );
    made[1]?.endStream();
    assert.equal(
      made.map(({ destroyed }) => destroyed),
      [false, true, false],
    );
  });
});

test('an idle connection is reused, and makes way for an upgrade', () => {
  withCache(1, ({ made, acquire }) => {
    acquire();
    made[0]?.endStream();
    assert.ok(acquire().stream);
    assert.is(made.length, 1);
    made[0]?.endStream();
    acquire();
    acquire();
    made[0]?.endStream();
    assert.ok(acquire('upgrade').stream);
    assert.equal(
      made.map(({ destroyed }) => destroyed),
      [true, false, false],
    );
  });
});

for (const [url, reused] of [
  ['http://127.0.0.1:9', 'reused'],
  ['http://app.test:9', 'replaced'],
] as const) {
  test(`an idle connection to ${url} that is over a minute old is ${reused}`, () => {
    withCache(
      1,
      ({ made, acquire }) => {
        acquire();
        const [connection] = made;
        connection?.endStream();
        acquire();
        assert.is(made.length, 1, 'while it is younger');
        connection?.endStream();
        if (connection !== undefined) connection.openedAt -= 60_001;
        const { stream } = acquire();
        assert.ok(stream);
        assert.is(made.length, reused === 'reused' ? 1 : 2);
        assert.is(connection?.destroyed, reused === 'replaced');
      },
      { url },
    );
  });
}

const upload = (readiness: 'begun' | 'awaited'): Taker => Object.assign(new Taker(), { readiness });

test('while half of the connections are in use, an upload waits until its beginning has arrived', () => {
  withCache(1, ({ made, acquire }) => {
    assert.ok(acquire('requests', upload('awaited')).stream, 'there are enough');
    const second = acquire('requests', upload('awaited'));
    assert.equal([second.stream, second.wasToWait], [undefined, true]);
    assert.ok(acquire().stream, 'for others there is one');
    assert.is(made.length, 2);
  });
});

test('uploads that are still arriving leave a quarter of the connections to others, and are served last', () => {
  withCache(1, ({ cache, made, acquire }) => {
    acquire('requests', upload('begun'));
    const [first] = made;
    assert.ok(first);
    first.uploads = true;
    const waiting = acquire('requests', upload('begun'));
    assert.is(waiting.stream, undefined);
    assert.ok(acquire().stream, 'the other connection is for others');
    const behind = acquire();
    assert.is(behind.stream, undefined);
    made[1]?.endStream();
    assert.ok(behind.stream, 'before the upload that came first');
    made[1]?.endStream();
    assert.is(waiting.stream, undefined);
    first.uploads = false;
    cache.onDeadline();
    assert.ok(waiting.stream);
  });
});

test('an upload makes room in a full queue for a complete request', () => {
  withCache(1, ({ acquire, made }) => {
    acquire();
    acquire();
    for (const connection of made) connection.uploads = true;
    const [first, second] = [acquire('requests', upload('begun')), acquire('requests', upload('begun'))];
    const third = acquire('requests', upload('begun'));
    const whole = acquire();
    assert.equal(
      [first, second, third, whole].map(({ error }) => error?.code),
      [undefined, 'UPSTREAM_BUSY', 'UPSTREAM_BUSY', undefined],
    );
  });
});

test('only as many lagging connections as needed give way to waiting requests', () => {
  withCache(1, ({ made, acquire }) => {
    acquire();
    acquire();
    for (const connection of made) connection.lags = true;
    assert.ok(acquire().stream);
    assert.equal(
      made.map(({ destroyed }) => destroyed),
      [true, false, false],
    );
  });
});

const clientAt = (port: number): Peer => ({ ...localPeer, ip: '203.0.113.9', port });

test('with PROXY headers, a connection carries the requests of only one client connection', () => {
  withCache(
    2,
    ({ made, acquire }) => {
      const [first, second] = [clientAt(1), clientAt(1)];
      for (const client of [first, second, first, second]) {
        assert.ok(acquire('requests', new Taker(client)).stream);
      }
      assert.equal(
        made.map(({ client, streams }) => [client === first, streams]),
        [
          [true, 2],
          [false, 2],
        ],
      );
    },
    { proxyProtocol: 'v1' },
  );
});

test('with PROXY headers, an idle connection gives its place to one for another client', () => {
  withCache(
    1,
    ({ made, acquire }) => {
      for (const port of [1, 2, 3]) {
        assert.ok(acquire('requests', new Taker(clientAt(port))).stream);
        made.at(-1)?.endStream();
      }
      assert.equal(
        made.map(({ client, destroyed }) => [client?.port, destroyed]),
        [
          [1, true],
          [2, false],
          [3, false],
        ],
      );
    },
    { proxyProtocol: 'v1' },
  );
});

test('with PROXY headers, a waiting request gets its own connection in place of another client’s', () => {
  withCache(
    1,
    ({ made, acquire }) => {
      const first = clientAt(1);
      for (const client of [first, clientAt(2)]) acquire('requests', new Taker(client));
      const waiting = [clientAt(3), first].map(client => acquire('requests', new Taker(client)));
      made[0]?.endStream();
      assert.equal(
        made.map(({ client, destroyed }) => [client?.port, destroyed]),
        [
          [1, true],
          [2, false],
          [3, false],
        ],
      );
      assert.ok(waiting[0]?.stream);
      assert.is(waiting[1]?.stream, undefined);
    },
    { proxyProtocol: 'v1' },
  );
});

test('with PROXY headers, the place of an idle connection goes only to the request that asked for it', () => {
  withCache(
    1,
    ({ made, acquire }) => {
      const asks = (port: number, readiness: StreamTaker['readiness'] = 'whole'): Taker => {
        const taker = new Taker(clientAt(port));
        taker.readiness = readiness;
        return acquire('requests', taker);
      };
      asks(1);
      asks(2);
      const [upload, other] = made;
      assert.ok(upload && other);
      upload.uploads = true;
      const waiting = asks(3, 'begun');
      other.endStream();
      // It has completely arrived by now, without any event.
      upload.uploads = false;
      assert.ok(asks(4).stream);
      assert.equal([waiting.stream, made.filter(({ destroyed }) => !destroyed).length], [undefined, 2]);
    },
    { proxyProtocol: 'v1' },
  );
});

test('counts active and idle connections, and waiting requests', () => {
  withCache(1, ({ cache, made, acquire }) => {
    const count = () => {
      const { upstream } = noConnections();
      return { waiting: cache.count(upstream), ...upstream.h2 };
    };
    acquire();
    acquire();
    acquire();
    assert.equal(count(), { waiting: 1, active: 2, idle: 0 });
    for (const connection of made) connection.endStream();
    assert.equal(count(), { waiting: 0, active: 1, idle: 1 });
  });
});
