// An origin on a unix socket, in the test's process, in a folder of its own; and requests over such sockets.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A running origin. */
export interface UnixOrigin {
  readonly path: string;
  /** As a server of Weldr: `unix:` and the path. */
  readonly url: string;
  /** The headers of the requests that came. */
  readonly requests: IncomingHttpHeaders[];
  /** From now on: the status of all answers; 200 at the start. */
  status: number;
  close(): Promise<void>;
}

/** Starts an origin that answers each request with its body, or with `hello` when there is none. */
export async function startUnixOrigin(name = 'app.sock'): Promise<UnixOrigin> {
  const folder = socketFolder();
  const path = join(folder, name);
  const server = createServer((incoming, response) => {
    origin.requests.push(incoming.headers);
    response.statusCode = origin.status;
    if (incoming.headers['content-length'] === undefined && incoming.method === 'GET') response.end('hello');
    else incoming.pipe(response);
  });
  server.listen(path);
  await once(server, 'listening');
  const origin: UnixOrigin = {
    path,
    url: `unix:${path}`,
    requests: [],
    status: 200,
    async close() {
      server.closeAllConnections();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return origin;
}

/** A folder for sockets, with a short name as their paths may not be long. Remove it at the end. */
export function socketFolder(): string {
  return mkdtempSync(join(tmpdir(), 's-'));
}

/** An answer that came over a unix socket. */
export interface UnixAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends one request over a connection of its own to a unix socket; rejects when that fails. */
export async function askUnix(
  socketPath: string,
  path = '/',
  options: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {},
): Promise<UnixAnswer> {
  const { headers = {}, body } = options;
  const method = body === undefined ? 'GET' : 'POST';
  const sent = request({
    socketPath,
    path,
    method,
    agent: false,
    headers: { host: 'localhost', ...headers },
  });
  sent.end(body);
  const [response] = await once(sent, 'response');
  response.setEncoding('utf8');
  let text = '';
  for await (const piece of response) text += piece;
  return { status: response.statusCode, headers: response.headers, body: text };
}
