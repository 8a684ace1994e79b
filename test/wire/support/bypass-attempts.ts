// Ways to write a request that a filter and the server behind it might read differently, in both protocols.
import type { H2Client } from './h2-client.ts';

/** A requested place. */
export interface Asked {
  readonly host: string;
  readonly path: string;
}

type Field = readonly [name: string, value: string];

/** One way to request a place. Anything unset is as in a plain GET. */
export interface Attempt {
  readonly method?: string;
  readonly fields?: readonly Field[];
  /** The host, if not that of the place. */
  readonly host?: (host: string) => string;
  /** The path, if not that of the place. */
  readonly target?: (asked: Asked) => string;
  readonly body?: string;
  /** Fields after the body, which is then sent in chunks. */
  readonly trailers?: readonly Field[];
  /** `:scheme`, only in HTTP/2. */
  readonly scheme?: string;
  /** The version at the end of the first line. With `1.0`, no Host is sent unless it is among the fields. */
  readonly version?: '1.0';
  /** The only protocol that can express it. */
  readonly only?: 'h1' | 'h2';
  /** Whether Weldr refuses it even without a filter. */
  readonly refused?: true;
}

const posted = { method: 'POST', body: 'hello' };
const upgraded = (protocol: string): Attempt => ({
  only: 'h1',
  fields: [
    ['Connection', 'Upgrade'],
    ['Upgrade', protocol],
  ],
});

/** Ways that keep the host. */
export const attempts: Readonly<Record<string, Attempt>> = {
  'a GET': {},
  'a HEAD': { method: 'HEAD' },
  'an OPTIONS': { method: 'OPTIONS' },
  'a get': { method: 'get' },
  'a Post': { ...posted, method: 'Post' },
  'a PROPFIND': { method: 'PROPFIND' },
  'a QUERY with a body': { ...posted, method: 'QUERY' },
  'a POST': posted,
  'a DELETE that says it is a GET': { method: 'DELETE', fields: [['X-HTTP-Method-Override', 'GET']] },
  'a preflight': {
    method: 'OPTIONS',
    fields: [
      ['Origin', 'https://evil.test'],
      ['Access-Control-Request-Method', 'GET'],
    ],
  },
  'a body in chunks with trailers': {
    ...posted,
    trailers: [
      ['Authorization', 'Basic YWRhOm9wZW4='],
      ['X-Role', 'admin'],
      ['x_user', 'root'],
    ],
  },
  'a body that does not wait for the 100': { ...posted, fields: [['Expect', '100-continue']] },
  'an upgrade to WebSocket': upgraded('websocket'),
  'an upgrade to HTTP/2': {
    only: 'h1',
    fields: [
      ['Connection', 'Upgrade, HTTP2-Settings'],
      ['Upgrade', 'h2c'],
      ['HTTP2-Settings', 'AA'],
    ],
  },
  'a gRPC call': {
    ...posted,
    fields: [
      ['Content-Type', 'application/grpc'],
      ['TE', 'trailers'],
    ],
  },
  'an absolute target': { only: 'h1', target: ({ host, path }) => `http://${host}${path}` },
  'an absolute https target': { only: 'h1', target: ({ host, path }) => `https://${host}${path}` },
  'an absolute target beside another Host': {
    only: 'h1',
    target: ({ host, path }) => `http://${host}${path}`,
    host: () => 'open.test',
  },
  'HTTP/1.0': { only: 'h1', version: '1.0', fields: [['Host', '']] },
  'another address, as proxies report it': {
    fields: [
      ['X-Forwarded-For', '192.0.2.1'],
      ['X-Forwarded-For', '192.0.2.1, 192.0.2.1'],
      ['Forwarded', 'for=192.0.2.1;proto=https;host=open.test'],
    ],
  },
  'another address, as others report it': {
    fields: [
      ['X_Forwarded_For', '192.0.2.1'],
      ['X-Real-IP', '192.0.2.1'],
      ['X-Client-IP', '192.0.2.1'],
      ['True-Client-IP', '192.0.2.1'],
      ['CF-Connecting-IP', '192.0.2.1'],
      ['X-Cluster-Client-IP', '192.0.2.1'],
    ],
  },
  'another scheme and host, as proxies report them': {
    fields: [
      ['X-Forwarded-Proto', 'https'],
      ['X-Forwarded-Scheme', 'https'],
      ['X-Forwarded-Ssl', 'on'],
      ['Front-End-Https', 'on'],
      ['X-Forwarded-Host', 'open.test'],
      ['X-Forwarded-Port', '443'],
      ['X-Forwarded-Prefix', '/open'],
    ],
  },
  'another path in fields': {
    fields: [
      ['X-Original-URL', '/open'],
      ['X-Rewrite-URL', '/open'],
      ['X-Forwarded-Uri', '/open'],
    ],
  },
  'a name, a password and a token, twice': {
    fields: [
      ['Authorization', 'Basic YWRhOm9wZW4='],
      ['Authorization', 'Bearer e30.e30.'],
    ],
  },
  'cookies in several lines': {
    fields: [
      ['Cookie', 'weldr=x'],
      ['Cookie', 'token=e30.e30.'],
      ['Cookie', 'weldr=y; role=admin'],
    ],
  },
  'fields that Connection names': {
    only: 'h1',
    fields: [
      ['Connection', 'Authorization, X-Role, X-User, X-Forwarded-For, Cookie'],
      ['Authorization', 'Basic YWRhOm9wZW4='],
      ['X-Role', 'admin'],
    ],
  },
  'a range, with conditions': {
    fields: [
      ['Range', 'bytes=0-1'],
      ['If-None-Match', '*'],
      ['Cache-Control', 'only-if-cached'],
    ],
  },
  'a :scheme of https': { only: 'h2', scheme: 'https' },
  'an unknown :scheme': { only: 'h2', scheme: 'coap', refused: true },
  'an absolute :path': { only: 'h2', target: ({ host, path }) => `http://${host}${path}`, refused: true },
  'a :path without its slash': { only: 'h2', target: ({ path }) => path.slice(1), refused: true },
  'a Host beside :authority': { only: 'h2', fields: [['Host', 'open.test']], refused: true },
  'a CONNECT': { method: 'CONNECT', refused: true },
  'a TRACE': { method: 'TRACE', refused: true },
  'a doubled slash': { target: ({ path }) => `/${path}` },
  'an encoded letter': { target: ({ path }) => path.replace(/[a-z]/g, letter => escaped(letter)) },
  'capital letters': { target: ({ path }) => path.toUpperCase() },
  'dot segments': { target: ({ path }) => `/open/..${path}` },
  'encoded dot segments': { target: ({ path }) => `/open/%2E%2e${path}` },
  'a query with the path of another': { target: ({ path }) => `${path}?/open` },
};

const escaped = (letter: string): string => `%${letter.charCodeAt(0).toString(16)}`;

/** Ways that omit the host, or use another one. */
export const otherHosts: Readonly<Record<string, Attempt>> = {
  'another host': { host: () => 'open.test' },
  'HTTP/1.0 without Host': { only: 'h1', version: '1.0' },
  'an empty Host': { only: 'h1', host: () => '', refused: true },
  'an address as the host': { host: () => '[::1]:8080' },
};

/** Ways to write the host itself. */
export const hostAttempts: Readonly<Record<string, Attempt>> = {
  'the host in capital letters': { host: host => host.toUpperCase() },
  'the host with a port': { host: host => `${host}:80` },
  'the host with another port': { host: host => `${host}:65535` },
  'the host with a dot at its end': { host: host => `${host}.` },
  'the host with a dot and a port': { host: host => `${host.toUpperCase()}.:8080` },
  'the host with an empty port': { host: host => `${host}:` },
  'the host with two dots': { host: host => `${host}..`, refused: true },
  'the host with a user': { host: host => `open.test@${host}`, refused: true },
  'the host, encoded': { host: host => `%66${host.slice(1)}`, refused: true },
  'the host after another': { host: host => `open.test, ${host}`, refused: true },
  'the host with white space': { host: host => `${host}\tx`, refused: true },
  'the host, twice': { only: 'h1', fields: [['Host', 'open.test']], refused: true },
  'an OPTIONS for the host as a whole': { method: 'OPTIONS', target: () => '*' },
  'the host in an absolute target': {
    only: 'h1',
    host: () => 'open.test',
    target: ({ host, path }) => `HTTP://${host.toUpperCase()}.:80${path}`,
  },
};

/** The bytes of an attempt over HTTP/1.1. */
export function bytesOf(attempt: Attempt, asked: Asked): string {
  const { method = 'GET', fields = [], version = '1.1', trailers, body } = attempt;
  const host = attempt.host?.(asked.host) ?? asked.host;
  const lines = [`${method} ${attempt.target?.(asked) ?? asked.path} HTTP/${version}`];
  if (version === '1.1') lines.push(`Host: ${host}`);
  for (const [name, value] of fields)
    lines.push(`${name}: ${name === 'Host' && value === '' ? host : value}`);
  if (trailers !== undefined) {
    const late = trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const chunk = `${(body ?? '').length.toString(16)}\r\n${body}\r\n`;
    return `${[...lines, 'Transfer-Encoding: chunked', '', ''].join('\r\n')}${chunk}0\r\n${late}\r\n`;
  }
  if (body !== undefined) lines.push(`Content-Length: ${body.length}`);
  return `${[...lines, '', ''].join('\r\n')}${body ?? ''}`;
}

/** Sends an attempt over HTTP/2. Returns its stream identifier. */
export function sendTo(client: H2Client, attempt: Attempt, asked: Asked): number {
  const { method = 'GET', scheme = 'http', fields = [], trailers, body } = attempt;
  const head: Field[] = [
    [':method', method],
    [':scheme', scheme],
    [':authority', attempt.host?.(asked.host) ?? asked.host],
    [':path', attempt.target?.(asked) ?? asked.path],
    ...fields.map(([name, value]): Field => [name.toLowerCase(), value]),
  ];
  const id = client.request(head, body === undefined ? 'end' : 'open');
  if (body !== undefined) client.data(id, body, trailers === undefined ? 'end' : 'open');
  if (trailers !== undefined) {
    client.writer.headers(
      id,
      client.block(trailers.map(([name, value]) => [name.toLowerCase(), value])),
      'end',
    );
    client.flush();
  }
  return id;
}
