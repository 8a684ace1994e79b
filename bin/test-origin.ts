// An origin for trials: answers in the ways that a proxy has to handle.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes of `/large`. */
const largeLength = 100 * 1024;
/** The longest that `/slow?ms=` waits. */
const longestWait = 3_600_000;

/** The paths of a test origin, and what each returns. */
export const testOriginPaths = [
  ['/', '"Hello World"'],
  ['/large', 'about 100 KB'],
  ['/echo', 'the body of the request'],
  ['/method', 'the method of the request'],
  ['/chunked', 'ten pieces, one every 100 ms'],
  ['/slow?ms=1000', 'after a while'],
  ['/status/503', 'that status'],
  ['/headers', 'the header fields of the request, as JSON'],
  ['POST /health/fail', 'from now on / and /health answer 503'],
  ['POST /health/pass', 'and 200 again'],
] as const;

/** A running test origin. */
export interface TestOrigin {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts a test origin; `name` appears in `X-Origin` and at the end of `/`. Rejects when the port is in use. */
export async function startTestOrigin(host: string, port: number, name?: string): Promise<TestOrigin> {
  let healthy = true;
  const server = createServer((request, response) => {
    request.on('error', () => {});
    response.on('error', () => {});
    const url = new URL(request.url ?? '/', 'http://origin.invalid');
    response.setHeader('X-Origin', name ?? String(request.socket.localPort));
    if (url.pathname === '/health/fail' || url.pathname === '/health/pass') {
      if (request.method !== 'POST') return end(response, 405, 'POST it');
      healthy = url.pathname === '/health/pass';
      return end(response, 200, healthy ? 'healthy' : 'unhealthy');
    }
    if ((url.pathname === '/' || url.pathname === '/health') && !healthy)
      return end(response, 503, 'unhealthy');
    answer(request, response, url, name).catch(() => response.destroy());
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: portOf(server),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  name: string | undefined,
): Promise<void> {
  const [, first = '', second = ''] = url.pathname.split('/');
  switch (first) {
    case '':
    case 'health':
      return end(response, 200, name === undefined ? 'Hello World' : `Hello World from ${name}`);
    case 'large':
      return end(response, 200, 'x'.repeat(largeLength));
    case 'echo':
      response.setHeader('Content-Type', request.headers['content-type'] ?? 'application/octet-stream');
      request.pipe(response);
      return;
    case 'method':
      return end(response, 200, request.method ?? '');
    case 'chunked':
      for (let piece = 1; piece <= 10 && !response.destroyed; piece++) {
        response.write(`piece ${piece}\n`);
        await sleep(100);
      }
      response.end();
      return;
    case 'slow':
      await sleep(Math.min(Number(url.searchParams.get('ms') ?? 1000) || 0, longestWait));
      return end(response, 200, 'slow');
    case 'status': {
      const status = Number(second);
      const sendable = Number.isInteger(status) && status >= 200 && status <= 599;
      return end(response, sendable ? status : 400, sendable ? '' : 'a status from 200 to 599');
    }
    case 'headers':
      response.setHeader('Content-Type', 'application/json');
      return end(response, 200, JSON.stringify(request.headers, undefined, 2));
    default:
      return end(response, 404, 'nothing here');
  }
}

function end(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status;
  if (body !== '' && !response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'text/plain');
  response.end(body);
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}
