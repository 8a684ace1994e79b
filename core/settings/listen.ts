// The addresses that clients connect to: `listen` of the config, each entry a text or an object; parsed to Listen.

import { isIPv4, isIPv6 } from 'node:net';
import { z } from 'zod';
import { type ListenerTls, listenerTls, type TlsMaterial } from '../certificates/listener-tls.ts';
import { hostText } from '../network/host-text.ts';
import { peer } from '../network/network.ts';
import { unixPathOf, unixPathProblem } from '../network/unix-path.ts';

/** The address of a listening socket. */
export type ListenTarget =
  /** `host` without brackets; port 0 takes a free one. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** `mode`: the permissions of the socket's file, such as 0o660; undefined: what the umask leaves. */
  | { readonly kind: 'unix'; readonly path: string; readonly mode: number | undefined };

/** One address that clients connect to. */
export interface Listen {
  /** Its name in the config; default: the full address. Names are unique. */
  readonly name: string;
  /**
   * The full address, such as `0.0.0.0:8080` for `:8080`, or `unix:/run/weldr/http.sock`: the identity of the socket.
   */
  readonly address: string;
  readonly target: ListenTarget;
  /** Its TLS settings; undefined: it speaks no TLS. */
  readonly tls?: ListenerTls | undefined;
  /** Whether HTTP/2 is offered: with TLS by ALPN, without TLS to clients that begin with it. */
  readonly http2?: boolean;
  /** The peers that must introduce connections with a PROXY header; undefined: clients connect directly. */
  readonly proxyProtocol?: ListenProxyProtocol | undefined;
}

/** Settings for connections that begin with a PROXY header. */
export interface ListenProxyProtocol {
  /** Addresses and networks, and `unix:`. */
  readonly trusted: readonly string[];
}

/** What a worker needs to know of the entry that a socket belongs to. */
export interface ListenEntry {
  readonly name: string;
  readonly kind: ListenTarget['kind'];
  /** Undefined: it speaks no TLS. */
  readonly tls?: TlsMaterial | undefined;
  /** See {@link Listen.http2}. */
  readonly http2?: boolean | undefined;
  /** See {@link Listen.proxyProtocol}. */
  readonly proxyProtocol?: ListenProxyProtocol | undefined;
}

const expected = 'expected an address such as "0.0.0.0:8080" or "unix:/run/weldr/http.sock"';

/** `HOST:PORT`, `[IPv6]:PORT` or `:PORT`; port 0 takes a free one. */
export const tcpAddress = z.string().refine(text => parseTcpAddress(text) !== undefined, {
  error: issue => `expected an address such as "0.0.0.0:8080", got ${JSON.stringify(issue.input)}`,
});

/** An address of {@link tcpAddress}, or `unix:` and the full path of a socket. */
export const listenAddress = z
  .string()
  .superRefine((text, context) => {
    const problem = addressProblem(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem, continue: true });
  })
  .meta({
    pattern: '^(unix:/.+|[^/\\s]*:\\d{1,5})$',
    examples: ['0.0.0.0:8080', 'unix:/run/weldr/http.sock'],
  });

/** Parts of an address such as `0.0.0.0:8080`; undefined when it is not one. */
export function parseTcpAddress(text: string): { host: string; port: number } | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s]*):(\d{1,5})$/i.exec(text);
  if (match === null) return undefined;
  const host = (match[1] ?? '').replace(/^\[|\]$/g, '');
  const port = Number(match[2]);
  // Such as 010.0.0.1 or 127.1, which readers take for different addresses.
  if (/^[\d.]+$|^0x/i.test(host) && isIPv4(host) === false) return undefined;
  return port <= 65535 ? { host: host === '' ? '0.0.0.0' : host, port } : undefined;
}

function addressProblem(text: string): string | undefined {
  const path = unixPathOf(text);
  if (path !== undefined) {
    const problem = unixPathProblem(path);
    return problem === undefined ? undefined : `${JSON.stringify(text)} is not an address: ${problem}`;
  }
  return parseTcpAddress(text) === undefined
    ? `${expected}, got ${JSON.stringify(text)}${meantAddress(text)}`
    : undefined;
}

/** What was probably meant, for the end of a message: a port alone, or a URL. */
function meantAddress(text: string): string {
  if (/^\d{1,5}$/.test(text)) return meantPort(Number(text));
  const address = /^https?:\/\/([^/?#]+)\/?$/i.exec(text)?.[1];
  if (address === undefined || parseTcpAddress(address) === undefined) return '';
  return `; did you mean "${address}"?`;
}

function meantPort(port: number): string {
  return Number.isInteger(port) && port >= 0 && port <= 65535 ? `; did you mean ":${port}"?` : '';
}

// --- what an entry may say -------------------------------------------------------------------------------------

const listenName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'expected a name of letters, digits, "_", "." and "-"');

const listenObject = z
  .strictObject({
    name: listenName.optional().describe('Names the listener; default: the full address.'),
    address: listenAddress.describe('HOST:PORT, [IPv6]:PORT, :PORT or unix:/PATH.'),
    mode: z
      .string()
      .regex(/^0?[0-7]{3}$/, 'expected a mode in octal, as text, such as "660"')
      .optional()
      .describe('Who may connect to a unix socket: the mode of its file, octal, as text.'),
    tls: listenerTls.optional(),
    proxyProtocol: z
      .strictObject({
        trusted: z
          .array(peer)
          .min(1)
          .max(1000)
          .describe(
            'The proxies that connect here, by address or network; `unix:` for all clients of unix sockets.',
          ),
      })
      .optional()
      .describe(
        'Connections begin with a PROXY header (version 1 or 2), which names the client; others are refused.',
      ),
    http2: z.boolean().optional().describe('HTTP/2 besides HTTP/1.1, by ALPN; with `tls`. Default: true.'),
    h2c: z
      .boolean()
      .optional()
      .describe('HTTP/2 without TLS, besides HTTP/1.1, for clients that begin with it. Default: false.'),
  })
  .superRefine((given, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message, continue: true });
    if (given.mode !== undefined && unixPathOf(given.address) === undefined) {
      refuse('mode', 'only the file of a unix: socket has a mode; leave it out');
    }
    if (given.http2 === true && given.tls === undefined) {
      refuse('http2', 'HTTP/2 by ALPN needs `tls`; without it, write h2c: true');
    }
    if (given.h2c === true && given.tls !== undefined) {
      refuse('h2c', 'only works without `tls`; over TLS, ALPN decides on HTTP/2');
    }
  });

/** An entry of `listen` as people write it: an address, or an object with one. */
export type ListenInput = string | z.input<typeof listenObject>;

const entry = z.union([listenAddress, listenObject], {
  error: ({ input }) =>
    typeof input === 'number' ? `${expected}, got ${input}${meantPort(input)}` : undefined,
});

/** `listen` of the config: one entry or several, none twice. */
export const listenSchema = z
  .preprocess(
    input => (Array.isArray(input) ? input : [input]),
    z
      .array(entry)
      .min(1, 'expected at least one address')
      .max(64)
      .transform((given, context) => {
        const listens = given.map(toListen);
        refuseDoubles(listens, context);
        return listens;
      }),
  )
  .meta({ shorterAs: 'items' });

function toListen(given: z.output<typeof listenObject> | string): Listen {
  const entry = typeof given === 'string' ? { address: given } : given;
  const { address: text, name, mode, tls, http2 = true, h2c = false, proxyProtocol } = entry;
  const target = targetOf(text, mode);
  const address = addressOf(target);
  const speaks2 = tls === undefined ? h2c : http2;
  return {
    name: name ?? address,
    address,
    target,
    ...(speaks2 && { http2: true }),
    ...(tls !== undefined && { tls }),
    ...(proxyProtocol !== undefined && { proxyProtocol }),
  };
}

function targetOf(text: string, mode: string | undefined): ListenTarget {
  const path = unixPathOf(text);
  if (path !== undefined) {
    return { kind: 'unix', path, mode: mode === undefined ? undefined : Number.parseInt(mode, 8) };
  }
  const { host, port } = parseTcpAddress(text) ?? { host: '', port: 0 };
  return { kind: 'tcp', host: isIPv6(host) ? shortIPv6(host) : host.toLowerCase(), port };
}

/** One spelling for one address: `::` for `0:0::0`. */
function shortIPv6(host: string): string {
  return new URL(`http://[${host}]`).hostname.slice(1, -1);
}

/** The text of a target; `port` replaces the target's. */
export function addressOf(target: ListenTarget, port?: number): string {
  if (target.kind === 'unix') return `unix:${target.path}`;
  const host = hostText(target.host);
  return `${host}:${port ?? target.port}`;
}

// --- what several say together ---------------------------------------------------------------------------------

function refuseDoubles(entries: readonly Listen[], context: z.RefinementCtx): void {
  for (const [index, { name, target, address }] of entries.entries()) {
    for (const [before, other] of entries.slice(0, index).entries()) {
      if (other.name === name && other.address !== address) {
        const message = `listen[${before}] is named ${name} already; give one of them another name`;
        context.addIssue({ code: 'custom', path: [index, 'name'], message });
      }
      if (!meet(target, other.target)) continue;
      const where = `listen[${before}]`;
      const [wide, narrow] = isWithin(other.target, target)
        ? [address, other.address]
        : [other.address, address];
      const message =
        other.address === address
          ? `${address} is ${where} already; take one of them out`
          : `${wide} takes the connections to ${narrow} too (${where} and this); take ${narrow} out`;
      context.addIssue({ code: 'custom', path: [index], message });
    }
  }
}

/** Returns whether the system would refuse one of the two because of the other. */
export function meet(a: ListenTarget, b: ListenTarget): boolean {
  if (a.kind === 'unix' || b.kind === 'unix') {
    return a.kind === 'unix' && b.kind === 'unix' && a.path === b.path;
  }
  if (a.port !== b.port) return false;
  if (a.host === b.host) return true;
  if (a.port === 0) return false;
  return covers(a.host, b.host) || covers(b.host, a.host);
}

/** Returns whether `b` receives all connections that `a` receives. */
function isWithin(a: ListenTarget, b: ListenTarget): boolean {
  return a.kind === 'tcp' && b.kind === 'tcp' && a.host !== b.host && covers(b.host, a.host);
}

/** `::` receives connections to all addresses, `0.0.0.0` those to all of IPv4. */
function covers(host: string, other: string): boolean {
  return host === '::' || (host === '0.0.0.0' && !isIPv6(other));
}
