// The program of a chaos origin: `node origin-process.ts PORT RECORD`. Its parent controls its behaviour by IPC.
//   GET  /length/ID/BYTES   the body of ID, with Content-Length
//   GET  /chunked/ID/BYTES  the same, chunked
//   GET  /slow/ID/BYTES     the same, in twenty pieces over two seconds
//   POST /post/ID/BYTES     checks that the body is that of `ID`, records ID, answers with the body of `ID-done`
//   GET  /echo/ID           upgrades to `echo` and sends back what it receives
import { appendFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { pattern } from './pattern.ts';

/** How an origin treats its requests. `refuse`: refuses connections; `hang`: never answers. */
export type Behaviour = 'well' | 'refuse' | 'reset' | 'cut' | 'hang' | 'garbage';

/** A message of the parent. */
export interface Order {
  readonly behaviour: Behaviour;
}

const [portText = '', record = ''] = process.argv.slice(2);
let behaviour: Behaviour = 'well';

const sleepless = { keepAliveTimeout: 5_000, requestTimeout: 0 };
const server = createServer(sleepless, (request, response) => {
  request.on('error', () => {});
  response.on('error', () => {});
  serve(request, response).catch(() => response.destroy());
});
server.on('upgrade', echo);
server.on('clientError', (_error, socket) => socket.destroy());
server.listen(Number(portText), '127.0.0.1', () => process.send?.('listening'));

process.on('message', (order: Order) => {
  const listens = behaviour !== 'refuse';
  behaviour = order.behaviour;
  const done = (): void => void process.send?.(behaviour);
  if (behaviour === 'refuse' && listens) {
    server.close();
    server.closeAllConnections();
    done();
  } else if (behaviour !== 'refuse' && !listens) {
    server.listen(Number(portText), '127.0.0.1', done);
  } else {
    done();
  }
});
process.on('disconnect', () => process.exit());

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, kind = '', id = '', size = '0'] = (request.url ?? '').split('/');
  const bytes = Number(size);
  if (kind === 'health') {
    if (behaviour === 'hang') return;
    if (behaviour === 'reset' || behaviour === 'garbage') {
      request.socket.resetAndDestroy();
      return;
    }
    response.end('well');
    return;
  }
  if (await misbehave(request, response, kind, id, bytes)) return;
  response.setHeader('x-id', id);
  if (kind === 'post') await post(request, response, id, bytes);
  else if (kind === 'slow') await slowly(response, id, bytes);
  else if (kind === 'chunked') {
    response.write(pattern(id, bytes >> 1));
    response.end(pattern(id, bytes - (bytes >> 1), bytes >> 1));
  } else {
    response.setHeader('content-length', bytes);
    response.end(request.method === 'HEAD' ? undefined : pattern(id, bytes));
  }
}

/** Misbehaves as told. Returns false for a request that is to be served well. */
async function misbehave(
  request: IncomingMessage,
  response: ServerResponse,
  kind: string,
  id: string,
  bytes: number,
): Promise<boolean> {
  const { socket } = request;
  if (behaviour === 'well' || behaviour === 'refuse') return false;
  if (kind === 'post') {
    // Executed without a response: if it is sent again, it is executed twice.
    await request.resume().toArray();
    appendFileSync(record, `${id}\n`);
  }
  if (behaviour === 'reset') socket.resetAndDestroy();
  else if (behaviour === 'garbage') {
    const nonsense = [
      'HTTP/9.9 hello\r\n\r\n',
      '\0\0\0\0',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n',
    ];
    socket.end(nonsense[id.length % nonsense.length] ?? '');
  } else if (behaviour === 'cut') {
    response.setHeader('x-id', id);
    response.setHeader('content-length', bytes + 100);
    response.write(pattern(id, bytes));
    await sleep(5);
    socket.destroy();
  }
  return true;
}

async function post(
  request: IncomingMessage,
  response: ServerResponse,
  id: string,
  bytes: number,
): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  const body = Buffer.concat(pieces);
  // Recorded before the response, so a kill cannot lose it.
  appendFileSync(record, `${id}\n`);
  if (!body.equals(pattern(id, bytes))) {
    response.statusCode = 400;
    response.end('this is not the body that the client sent');
    return;
  }
  response.end(pattern(`${id}-done`, bytes));
}

async function slowly(response: ServerResponse, id: string, bytes: number): Promise<void> {
  response.setHeader('content-length', bytes);
  const piece = Math.ceil(bytes / 20);
  for (let sent = 0; sent < bytes && !response.destroyed; sent += piece) {
    response.write(pattern(id, Math.min(piece, bytes - sent), sent));
    await sleep(100);
  }
  response.end();
}

function echo(request: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  const [, , id = ''] = (request.url ?? '').split('/');
  if (behaviour !== 'well') {
    socket.destroy();
    return;
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Id: ${id}\r\n\r\n`,
  );
  socket.pipe(socket);
}
