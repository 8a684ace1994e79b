// Node's own HTTP parser over one stream of bytes, through its public server and client: the second opinion.
import { createServer, type IncomingMessage, request } from 'node:http';
import { Duplex } from 'node:stream';
import type { Framed, Outcome } from './outcome.ts';

/** A connection to nowhere: `push` feeds it, and what is written is dropped. */
class Wire extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
  setTimeout(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setKeepAlive(): this {
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

interface Reading extends Outcome {
  readonly wire: Wire;
}

const readings = new WeakMap<Duplex, Reading>();
// The default grammar, without lenient flags, and Weldr's limits, so that neither reader refuses because of them.
const server = createServer({
  maxHeaderSize: 64 * 1024,
  requireHostHeader: false,
  shouldUpgradeCallback: () => false,
});
server.maxHeadersCount = 0;
server.on('request', (message, response) => {
  const reading = readings.get(message.socket);
  if (reading === undefined) return;
  collect(message, `${message.method} ${originForm(message.method ?? '', message.url ?? '')}`, reading);
  message.on('end', () => response.end());
});
server.on('checkContinue', (message, response) => server.emit('request', message, response));
server.on('checkExpectation', (message, response) => server.emit('request', message, response));
server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
  const reading = readings.get(socket);
  if (reading !== undefined) reading.refusal = error.code ?? error.message;
});

function collect(message: IncomingMessage, line: string, reading: Reading): void {
  const framed: Framed = { line, body: '', complete: false };
  reading.messages.push(framed);
  message.on('data', chunk => {
    framed.body += chunk.toString('latin1');
  });
  message.on('end', () => {
    framed.complete = message.complete;
  });
  message.on('error', () => {});
}

/** Returns the target in the form to forward (RFC 9112 section 3.2.2). */
function originForm(method: string, target: string): string {
  const match = /^https?:\/\/[^/?]*(.*)$/i.exec(target);
  if (match === null) return target;
  const rest = match[1] ?? '';
  if (rest === '') return method === 'OPTIONS' ? '*' : '/';
  return rest.startsWith('?') ? `/${rest}` : rest;
}

/** Reads each text as a client's bytes. `turns`: how long it may take, in turns of the event loop. */
export async function readRequests(texts: readonly string[], turns = 6): Promise<Outcome[]> {
  const all = texts.map(text => {
    const wire = new Wire();
    const reading: Reading = { wire, messages: [], refusal: '' };
    wire.on('error', () => {});
    readings.set(wire, reading);
    server.emit('connection', wire);
    wire.push(Buffer.from(text, 'latin1'));
    return reading;
  });
  await settle(turns);
  for (const { wire } of all) wire.destroy();
  return all;
}

/** Reads each text as the response to a GET: an upstream's bytes, all of them before its end. */
export async function readResponses(texts: readonly string[], turns = 6): Promise<Outcome[]> {
  const all = texts.map(text => {
    const wire = new Wire();
    const reading: Reading = { wire, messages: [], refusal: '' };
    wire.on('error', () => {});
    const sent = request({ createConnection: () => wire, path: '/', maxHeaderSize: 64 * 1024 });
    sent.on('response', message => collect(message, String(message.statusCode), reading));
    sent.on('upgrade', () => {
      reading.refusal = '101';
    });
    sent.on('error', (error: NodeJS.ErrnoException) => {
      reading.refusal ||= error.code ?? error.message;
    });
    sent.end();
    wire.push(Buffer.from(text, 'latin1'));
    wire.push(null);
    return reading;
  });
  await settle(turns);
  for (const { wire } of all) wire.destroy();
  return all;
}

/** Waits for streams to report their ends, which takes some turns. */
async function settle(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve));
}
