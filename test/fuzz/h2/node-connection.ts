// nghttp2 behind node:http2, fed with the bytes of a client: the second opinion.
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { ConnectionHistory, headOf } from './connection-outcome.ts';

/** A connection to nowhere: `push` feeds it, and what is written is kept. */
class KeptWire extends Duplex {
  readonly written: Buffer[] = [];
  override _read(): void {}
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.written.push(chunk);
    done();
  }
}

const server = createServer({
  settings: { maxConcurrentStreams: 128, initialWindowSize: 64 * 1024, enablePush: false },
  maxHeaderListPairs: 10_000,
  maxSessionInvalidFrames: 10_000,
  strictFieldWhitespaceValidation: true,
});
server.on('session', session => {
  session.setLocalWindowSize(1024 * 1024);
  session.on('error', () => {});
});
server.on('sessionError', () => {});

/** Turns of the event loop in which a session reads a piece and writes its response. */
const turns = 3;

/** Feeds each client's bytes to a separate session. */
export async function readByNode(cases: readonly (readonly Buffer[])[]): Promise<ConnectionHistory[]> {
  const all = cases.map(pieces => {
    const wire = new KeptWire();
    const history = new ConnectionHistory();
    wire.on('error', () => {});
    server.once('session', session => record(session, history));
    server.emit('connection', wire);
    return { wire, history, pieces };
  });
  const longest = Math.max(...cases.map(pieces => pieces.length));
  for (let n = 0; n < longest; n++) {
    for (const { wire, history, pieces } of all) {
      const piece = pieces[n];
      if (piece === undefined || history.diedAt >= 0) continue;
      history.piece = n;
      if (!wire.destroyed) wire.push(piece);
    }
    for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve));
    for (const { wire, history } of all) {
      if (history.diedAt >= 0) continue;
      history.readFrames(wire.written.splice(0));
      if (history.died !== '') history.diedAt = n;
    }
  }
  for (const { wire } of all) wire.destroy();
  return all.map(({ history }) => history);
}

function record(session: ServerHttp2Session, history: ConnectionHistory): void {
  session.on('close', () => {
    history.died ||= 'closed';
  });
  session.on('stream', (stream: ServerHttp2Stream, _: unknown, flags: number, raw: string[]) => {
    const fields: [string, string][] = [];
    for (let n = 0; n < raw.length; n += 2) fields.push([raw[n] ?? '', raw[n + 1] ?? '']);
    const id = stream.id ?? 0;
    history.request(id, headOf(fields));
    if ((flags & 1) === 1) history.end(id);
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => history.body(id, chunk.length));
    stream.on('end', () => history.end(id));
  });
}
