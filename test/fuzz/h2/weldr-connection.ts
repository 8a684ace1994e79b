// Weldr's side of an HTTP/2 connection, fed with bytes, without a pipeline behind it: records what it reads.
import { Socket } from 'node:net';
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
import { Pools } from '../../../core/pool/pools.ts';
import { settingsSchema } from '../../../core/settings/settings.ts';
import { createHooks } from '../../../core/stages/request-hooks.ts';
import { Stages } from '../../../core/stages/stages.ts';
import { collectingLogger, type LogLine } from '../../../core/testing/log-lines.ts';
import { systemClock } from '../../../core/time/clock.ts';
import { localPeer } from '../../support/peer.ts';
import { ConnectionHistory, headOf } from './connection-outcome.ts';

/** A socket to nowhere: data is emitted on it, and what is written is kept. */
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
const log: LogLine[] = [];
const wire = new Wire(
  { stages: Stages.of(createHooks(() => {})), pools: new Pools(), settings, log: collectingLogger(log) },
  new UpstreamConnector(settings.limits, {
    lookup: new NameLookups(systemClock).lookup,
    own: new OwnAddresses(),
  }),
);
const blocks = { request: new RequestBlock(settings.limits), trailers: new TrailerBlock() };
const keeper: ConnectionKeeper = { forget: () => {} };
/** Records one request, and does not respond. */
class Recorder implements RequestReceiver {
  readonly wantsBody = true;
  private readonly history: ConnectionHistory;
  private readonly stream: ClientStream & { readonly id: number };

  constructor(history: ConnectionHistory, stream: ClientStream & { readonly id: number }) {
    this.history = history;
    this.stream = stream;
  }

  begin({ method, target, headers }: InboundRequest): void {
    const { id, requestComplete } = this.stream;
    const fields = headers.keys.map((key, n) => [key, headers.values[n] ?? ''] as const);
    this.history.request(id, headOf([[':method', method], [':path', target], ...fields]));
    if (requestComplete) this.history.end(id);
    else this.stream.resumeBody('payload');
  }

  onRequestBytes(bytes: Buffer | string): void {
    this.history.body(this.stream.id, bytes.length);
  }

  onRequestEnd(): void {
    this.history.end(this.stream.id);
  }

  refuse(error: WeldrError): void {
    this.history.reset(this.stream.id, error.code);
  }

  onBodyArrived(): void {}
  onClientDrain(): void {}
  onStageTimeout(): void {}
  abort(): void {}
}

/** The history of the connection that reads now. */
let current = new ConnectionHistory();
Reflect.set(wire, 'exchanges', {
  take: (stream: ClientStream & { readonly id: number }) => new Recorder(current, stream),
});

/** Feeds each client's bytes to a separate connection, a piece at a time. */
export async function readByWeldr(cases: readonly (readonly Buffer[])[]): Promise<ConnectionHistory[]> {
  const all = cases.map(pieces => {
    const socket = new KeptSocket();
    const connection = new H2ClientConnection(keeper, wire, blocks, socket, localPeer);
    return { socket, connection, history: new ConnectionHistory(), pieces };
  });
  const longest = Math.max(...cases.map(pieces => pieces.length));
  for (let n = 0; n < longest; n++) {
    for (const { socket, history, pieces } of all) {
      const piece = pieces[n];
      if (piece === undefined || history.diedAt >= 0) continue;
      current = history;
      history.piece = n;
      socket.emit('data', piece);
      if (socket.writableEnded) history.diedAt = n;
    }
    // Frames are written at the end of a turn.
    for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve));
    for (const { socket, history } of all) history.readFrames(socket.written.splice(0));
  }
  for (const { connection } of all) connection.stop();
  log.length = 0;
  return all.map(({ history }) => history);
}
