// An origin on a unix socket, in the test's process, in a separate folder; and requests over such sockets.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A running origin. */
export interface UnixOrigin {
  readonly path: string;
  /** Its URL as a server of Weldr: `unix:` and the path. */
  readonly url: string;
  /** The headers of all received requests. */
  readonly requests: IncomingHttpHeaders[];
  /** The status of all answers from now on; initially 200. */
  status: number;
  close(): Promise<void>;
}

/** Starts an origin that answers each request with its body, or with `hello` without one. */
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

/** Makes a folder for sockets, with a short name, as their paths must not be long. Remove it at the end. */
export function socketFolder(): string {
  return mkdtempSync(join(tmpdir(), 's-'));
}

/** An answer over a unix socket. */
export interface UnixAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Sends one request over a new connection to a unix socket. Rejects if that fails. */
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
