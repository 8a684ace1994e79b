// An origin that receives and sends bodies of any size.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { megabyte } from './worker-memory.ts';

export const gigabyte: number = 1024 * megabyte;
/** A piece of every body. */
export const block: Buffer = Buffer.alloc(megabyte, 'weldr ');

/** Starts an origin that counts uploaded bytes, and sends as many bytes as `?bytes=` says. */
export async function startByteOrigin(): Promise<{ readonly url: string; readonly close: () => void }> {
  const server = createServer((request, response) => {
    const bytes = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('bytes') ?? 0);
    if (request.method === 'POST') void swallow(request, response);
    else void send(response, bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function swallow(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let received = 0;
  for await (const bytes of request) received += bytes.length;
  response.end(String(received));
}

async function send(response: ServerResponse, bytes: number): Promise<void> {
  response.setHeader('content-length', bytes);
  for (let sent = 0; sent < bytes && !response.destroyed; sent += block.length) {
    if (!response.write(block)) await drainOrClose(response);
  }
  response.end();
}

async function drainOrClose(response: ServerResponse): Promise<void> {
  await new Promise<void>(resolve => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
