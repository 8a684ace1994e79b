// nghttp2 behind node:http2, fed with the bytes of a client: the second opinion.
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { type ConnectionOutcome, emptyOutcome, headOf, readFrames } from './connection-outcome.ts';

/** A connection to nowhere: bytes go in by `push`, what is written is kept. */
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

/** Turns of the event loop in which a session has read what came, and written what it has to say. */
const turns = 3;

/** Feeds each client's bytes to a session of its own. */
export async function readByNode(cases: readonly (readonly Buffer[])[]): Promise<ConnectionOutcome[]> {
  const all = cases.map(pieces => {
    const wire = new KeptWire();
    const outcome = emptyOutcome();
    wire.on('error', () => {});
    server.once('session', session => {
      session.on('close', () => {
        outcome.died ||= 'closed';
      });
      session.on('stream', (stream: ServerHttp2Stream, _: unknown, flags: number, raw: string[]) => {
        const fields: [string, string][] = [];
        for (let n = 0; n < raw.length; n += 2) fields.push([raw[n] ?? '', raw[n + 1] ?? '']);
        const seen = { head: headOf(fields), body: 0, complete: (flags & 1) === 1 };
        outcome.requests.set(stream.id ?? 0, seen);
        stream.on('error', () => {});
        stream.on('data', (chunk: Buffer) => {
          seen.body += chunk.length;
        });
        stream.on('end', () => {
          seen.complete = true;
        });
      });
    });
    server.emit('connection', wire);
    return { wire, outcome, pieces };
  });
  const longest = Math.max(...cases.map(pieces => pieces.length));
  for (let n = 0; n < longest; n++) {
    for (const { wire, pieces } of all) if (pieces[n] !== undefined && !wire.destroyed) wire.push(pieces[n]);
    for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve));
    for (const { wire, outcome } of all) {
      if (outcome.diedAt >= 0) continue;
      readFrames(Buffer.concat(wire.written), outcome);
      if (outcome.died !== '') outcome.diedAt = n;
    }
  }
  for (const { wire } of all) wire.destroy();
  return all.map(({ outcome }) => outcome);
}
