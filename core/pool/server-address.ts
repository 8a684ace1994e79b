// The address of a server from its URL: a host and port, or a unix socket.
import { isIPv4 } from 'node:net';
import { WeldrError } from '../errors.ts';
import { unixPathOf, unixPathProblem } from '../network/unix-path.ts';

/** Where connections to a server go. */
export type ServerEndpoint =
  /** `hostname` is a name or an address, without brackets. */
  | { readonly kind: 'tcp'; readonly hostname: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** A server's URL, parsed. */
export interface ServerAddress {
  /** The identity: the URL's origin, such as `http://127.0.0.1:12345`, or `unix:/run/app.sock`. */
  readonly id: string;
  /** `http:` for `h2c:` URLs, too. */
  readonly protocol: 'http:' | 'https:';
  /** Whether the URL itself asks for HTTP/2, as `h2c:` does. */
  readonly http2: boolean;
  /** The value of `Host` when the server is sent its own name; `localhost` for a unix socket. */
  readonly authority: string;
  readonly endpoint: ServerEndpoint;
}

/**
 * Parses a server's URL: `http://HOST:PORT`, `https://HOST:PORT` or, for HTTP/2 without TLS, `h2c://HOST:PORT`, with no
 * user, path, query or fragment; or `unix:/PATH`, without TLS. Throws INPUT_INVALID with the reason.
 */
export function parseServerAddress(text: string): ServerAddress {
  const path = unixPathOf(text);
  return path === undefined ? parseOrigin(text) : parseUnix(text, path);
}

function parseUnix(text: string, path: string): ServerAddress {
  const problem = unixPathProblem(path);
  if (problem !== undefined) throw refusal(text, problem);
  return {
    id: text,
    protocol: 'http:',
    http2: false,
    authority: 'localhost',
    endpoint: { kind: 'unix', path },
  };
}

function parseOrigin(text: string): ServerAddress {
  if (!/^(?:https?|h2c):\/\/[^/?#\\@\s]+\/?$/i.test(text)) {
    throw refusal(
      text,
      `expected http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT with no user, path or query, or unix:/PATH${meant(text)}`,
    );
  }
  // Parsed as http:, whose default port URL knows.
  const known = text.replace(/^h2c:/i, 'http:');
  if (!URL.canParse(known)) throw refusal(text, 'expected http://HOST:PORT or https://HOST:PORT');
  const { origin, host, hostname, protocol, port } = new URL(known);
  const written = text.replace(/^[a-z0-9]+:\/\//i, '').replace(/(?::\d*)?\/?$/, '');
  if (isIPv4(hostname) && written !== hostname) {
    throw refusal(text, `some read ${written} as ${hostname}, others as another address; write it in full`);
  }
  if (port === '0') throw refusal(text, 'port 0 cannot be connected to');
  const isTls = protocol === 'https:';
  const http2 = known !== text;
  return {
    id: http2 ? origin.replace(/^http:/, 'h2c:') : origin,
    protocol: isTls ? 'https:' : 'http:',
    http2,
    authority: host,
    endpoint: {
      kind: 'tcp',
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || (isTls ? 443 : 80)),
    },
  };
}

/** The URL that was probably meant, for the end of a message. */
function meant(text: string): string {
  if (/^[\w.-]+(?::\d+)?$|^\[[\da-f:]+\](?::\d+)?$/i.test(text)) return `; did you mean "http://${text}"?`;
  const origin = /^(?:https?|h2c):\/\/[^/?#\\@\s]+(?=[/?#])/i.exec(text)?.[0];
  return origin === undefined ? '' : `; did you mean "${origin}"? The path is set by \`rewrite\` of a route`;
}

function refusal(text: string, why: string): WeldrError {
  return new WeldrError('INPUT_INVALID', `${JSON.stringify(text)} is not a server's URL: ${why}`, {
    field: 'url',
  });
}
