// One request to a proxy of 127.0.0.1 on a new connection, and its answer.
import { type IncomingHttpHeaders, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { buffer } from 'node:stream/consumers';

/** The properties of a request. */
export interface Question {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** The port of the page's config; default: 80. */
  readonly port?: number;
  /** By https://, with this server name; any certificate will do. */
  readonly servername?: string;
  /** The client certificate. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** The source address. */
  readonly from?: string;
}

/** An answer. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The page's address of the server that answered; empty: none did. */
  readonly server: string;
  /** The request as that server received it, if it answers as origins do by default. */
  readonly asked: { readonly method: string; readonly url: string; readonly headers: IncomingHttpHeaders };
}

/** Sends a request to a port. Resolves with the whole answer. */
export async function ask(target: string, port: number, question: Question): Promise<Answer> {
  const { method = 'GET', headers, body, servername, certificate, from } = question;
  const common = { host: '127.0.0.1', port, path: target, method, agent: false, localAddress: from };
  const fields = { host: servername ?? '127.0.0.1', ...headers };
  const request =
    servername === undefined
      ? requestHttp({ ...common, headers: fields })
      : requestHttps({ ...common, headers: fields, servername, rejectUnauthorized: false, ...certificate });
  const response = new Promise<Answer>((resolve, reject) => {
    request.on('error', reject).on('response', message => {
      buffer(message).then(bytes => {
        const server = message.headers['x-origin'];
        resolve({
          status: message.statusCode ?? 0,
          headers: message.headers,
          body: bytes,
          server: typeof server === 'string' ? server : '',
          get asked() {
            return JSON.parse(bytes.toString());
          },
        });
      }, reject);
    });
  });
  request.end(body);
  return await response;
}
