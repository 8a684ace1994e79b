// PendingConnections: which requests wait for a connection of unknown protocol, and how many are opened for them.
import { Duplex } from 'node:stream';
import * as assert from 'uvu/assert';
import type { WeldrError } from '../../../../core/errors.ts';
import { Deadlines } from '../../../../core/http/exchange/deadlines.ts';
import type { UpstreamStream } from '../../../../core/http/exchange/streams.ts';
import type { SocketReader } from '../../../../core/http/upstream/dial.ts';
import type { PendingConnection } from '../../../../core/http/upstream/pending-connection.ts';
import { PendingConnections, type PendingHome } from '../../../../core/http/upstream/pending-connections.ts';
import type { Protocol } from '../../../../core/http/upstream/protocols.ts';
import type { StreamTaker } from '../../../../core/http/upstream/stream-queue.ts';
import { pool } from '../../../../core/testing/pool.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('PendingConnections');

/** A socket on which TLS negotiates a given protocol. */
class FakeSocket extends Duplex {
  alpnProtocol: Protocol | false = 'h2';
  override _read(): void {}
  override _write(_: unknown, __: string, done: () => void): void {
    done();
  }
}

class Taker implements StreamTaker {
  readonly peer = undefined;
  readonly readiness = 'whole';
  readonly connectTimeout: number;
  error: WeldrError | undefined = undefined;
  heard = 0;
  constructor(connectTimeout = 5000) {
    this.connectTimeout = connectTimeout;
  }
  awaitBeginning(): void {}
  awaitConnection(): void {
    this.heard++;
  }
  takeStream(_: UpstreamStream): void {}
  goWithout(error: WeldrError): void {
    this.error = error;
  }
}

interface Parts {
  readonly pending: PendingConnections;
  readonly sockets: FakeSocket[];
  readonly stood: Protocol[];
  readonly deadlines: Deadlines;
  /** Opens the n-th connection, which negotiates this protocol. */
  stand(n: number, protocol: Protocol): void;
  join(mayDial?: boolean, taker?: Taker): Taker | undefined;
}

async function withPending(use: (parts: Parts) => void | Promise<void>): Promise<void> {
  const deadlines = new Deadlines(1000);
  const [upstream] = pool(['https://127.0.0.1:9']).available;
  assert.ok(upstream);
  const sockets: FakeSocket[] = [];
  const readers: SocketReader[] = [];
  const stood: Protocol[] = [];
  const home: PendingHome = {
    upstream,
    deadlines,
    streamsAtFirst: 3,
    onOpen(_: PendingConnection, protocol) {
      stood.push(protocol);
    },
    onFailed() {},
  };
  const pending = new PendingConnections(home, (_, __, reader) => {
    const socket = new FakeSocket();
    sockets.push(socket);
    readers.push(reader);
    return socket;
  });
  try {
    await use({
      pending,
      sockets,
      stood,
      deadlines,
      stand(n, protocol) {
        const socket = sockets[n];
        assert.ok(socket);
        socket.alpnProtocol = protocol;
        readers[n]?.onConnected();
      },
      join: (mayDial = true, taker = new Taker()) => (pending.join(taker, mayDial) ? taker : undefined),
    });
  } finally {
    deadlines.close();
  }
}

const makeAll = (): boolean => true;

test('a request that waits for a connection is notified, so that time can be told from time in the queue', async () => {
  await withPending(({ join }) => {
    const taker = join();
    assert.is(taker?.heard, 1);
    const turnedAway = new Taker();
    assert.is(join(false, turnedAway)?.heard, 1);
  });
});

test('the first requests share a connection, up to as many as it is expected to take', async () => {
  await withPending(({ sockets, join }) => {
    for (let n = 0; n < 3; n++) assert.ok(join());
    assert.is(sockets.length, 1);
    assert.ok(join());
    assert.is(sockets.length, 2);
    assert.ok(join(false));
  });
});

test('no request joins if no connection may be opened', async () => {
  await withPending(({ sockets, join }) => {
    assert.is(join(false), undefined);
    assert.is(sockets.length, 0);
  });
});

test('once HTTP/1.1 was negotiated, each request gets a connection, and those without one leave', async () => {
  await withPending(({ pending, sockets, stood, stand, join }) => {
    const takers = [join(), join(), join()];
    stand(0, 'http/1.1');
    assert.equal(stood, ['http/1.1']);
    assert.is(pending.next(), takers[0]);
    let room = 1;
    assert.equal(
      pending.settle(() => room-- > 0),
      [takers[2]],
    );
    assert.is(sockets.length, 2);
    assert.ok(join());
    assert.is(sockets.length, 3);
  });
});

test('once HTTP/2 was negotiated, they share again', async () => {
  await withPending(({ pending, sockets, stand, join }) => {
    join();
    stand(0, 'http/1.1');
    pending.next();
    join();
    stand(1, 'h2');
    pending.next();
    for (let n = 0; n < 3; n++) join();
    assert.is(sockets.length, 3);
    assert.equal(pending.settle(makeAll), []);
    assert.is(sockets.length, 3);
  });
});

test('a failed connection fails the requests that have no other one', async () => {
  await withPending(async ({ pending, sockets, join }) => {
    const takers = [join(), join(), join(), join()];
    sockets[0]?.destroy(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }));
    await new Promise(resolve => setImmediate(resolve));
    assert.equal(
      takers.map(taker => taker?.error?.code),
      ['CONNECT_FAILED', undefined, undefined, undefined],
    );
    assert.is(pending.size, 1);
  });
});

test('each request times out after its own time, and one that left is not called back', async () => {
  await withPending(({ pending, deadlines, join }) => {
    const [soon, late, gone] = [join(true, new Taker(10)), join(true, new Taker(1000)), join()];
    assert.ok(gone);
    pending.leave(gone);
    pending.expire(deadlines.now + 500);
    assert.equal([soon?.error?.code, late?.error, gone.error], ['CONNECT_TIMEOUT', undefined, undefined]);
    assert.is(pending.next(), late);
    assert.is(pending.isAwaited, false);
  });
});
