// Weldr's side of a connection of HTTP/2, fed with bytes: what it makes of them, with nothing behind it.
import { Socket } from 'node:net';
import { systemClock } from '../../../core/clock.ts';
import type { WeldrError } from '../../../core/errors.ts';
import { UpstreamConnector } from '../../../core/http/accept/upstream-connector.ts';
import type { ConnectionKeeper } from '../../../core/http/exchange/connections.ts';
import type { ClientStream, InboundRequest, RequestReceiver } from '../../../core/http/exchange/streams.ts';
import { Wire } from '../../../core/http/exchange/wire.ts';
import { H2ClientConnection } from '../../../core/http/h2/client-connection.ts';
import { RequestBlock } from '../../../core/http/h2/request-block.ts';
import { TrailerBlock } from '../../../core/http/h2/trailer-block.ts';
import { NameLookups } from '../../../core/http/upstream/name-lookups.ts';
import { OwnAddresses } from '../../../core/http/upstream/own-addresses.ts';
import { Pools } from '../../../core/pool/pool.ts';
import { settingsSchema } from '../../../core/settings/settings.ts';
import { createHooks } from '../../../core/stages/request-hooks.ts';
import { Stages } from '../../../core/stages/stages.ts';
import { collectingLogger } from '../../../core/testing/log-lines.ts';
import { localPeer } from '../../support/peer.ts';
import {
  type ConnectionOutcome,
  emptyOutcome,
  headOf,
  readFrames,
  type SeenRequest,
} from './connection-outcome.ts';

/** A socket to nowhere: what comes in is handed to it, what is written is kept. */
class KeptSocket extends Socket {
  readonly written: Buffer[] = [];
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.written.push(Buffer.from(chunk));
    done();
  }
  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    for (const { chunk } of chunks) this.written.push(Buffer.from(chunk));
    done();
  }
  override _final(done: () => void): void {
    done();
  }
  override _read(): void {}
}

const settings = settingsSchema.parse({ logLevel: 'silent' });
const wire = new Wire(
  { stages: Stages.of(createHooks(() => {})), pools: new Pools(), settings, log: collectingLogger([]) },
  new UpstreamConnector(settings.limits, {
    lookup: new NameLookups(systemClock).lookup,
    own: new OwnAddresses(),
  }),
);
const blocks = { request: new RequestBlock(settings.limits), trailers: new TrailerBlock() };
const keeper: ConnectionKeeper = { forget: () => {} };
/** Notes one request, and answers nothing. */
class Recorder implements RequestReceiver {
  readonly wantsBody = true;
  private readonly outcome: ConnectionOutcome;
  private readonly stream: ClientStream & { readonly id: number };
  private seen: SeenRequest | undefined;

  constructor(outcome: ConnectionOutcome, stream: ClientStream & { readonly id: number }) {
    this.outcome = outcome;
    this.stream = stream;
  }

  begin({ method, target, headers }: InboundRequest): void {
    const fields = headers.keys.map((key, n) => [key, headers.values[n] ?? ''] as const);
    const head = headOf([[':method', method], [':path', target], ...fields]);
    this.seen = { head, body: 0, complete: this.stream.requestComplete };
    this.outcome.requests.set(this.stream.id, this.seen);
    if (!this.seen.complete) this.stream.resumeBody('payload');
  }

  onRequestBytes(bytes: Buffer | string): void {
    if (this.seen !== undefined) this.seen.body += bytes.length;
  }

  onRequestEnd(): void {
    if (this.seen !== undefined) this.seen.complete = true;
  }

  refuse(error: WeldrError): void {
    this.outcome.resets.set(this.stream.id, error.code);
  }

  onBodyThere(): void {}
  onClientDrain(): void {}
  onStageTimeout(): void {}
  abort(): void {}
}

/** Of the connection that reads at the moment. */
let current = emptyOutcome();
Reflect.set(wire, 'exchanges', {
  take: (stream: ClientStream & { readonly id: number }) => new Recorder(current, stream),
});

/** Feeds each client's bytes to a connection of its own, a piece at a time. */
export async function readByWeldr(cases: readonly (readonly Buffer[])[]): Promise<ConnectionOutcome[]> {
  const all = cases.map(pieces => {
    const socket = new KeptSocket();
    const connection = new H2ClientConnection(keeper, wire, blocks, socket, localPeer);
    const outcome = emptyOutcome();
    current = outcome;
    for (const [n, piece] of pieces.entries()) {
      socket.emit('data', piece);
      if (socket.writableEnded && outcome.diedAt < 0) outcome.diedAt = n;
    }
    return { socket, connection, outcome };
  });
  await new Promise(resolve => setImmediate(resolve));
  await new Promise(resolve => setImmediate(resolve));
  return all.map(({ socket, connection, outcome }) => {
    readFrames(Buffer.concat(socket.written), outcome);
    connection.stop();
    return outcome;
  });
}
