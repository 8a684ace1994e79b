// A case of the request corpus: the raw bytes of a client, and their expected outcome.

/** A request as the origin must receive it, byte for byte. */
export interface Forwarded {
  /** Its request line. */
  readonly line: string;
  /** The client's field lines that pass, in order, including Host. */
  readonly fields: readonly string[];
  /** The framing line that the proxy writes; none if no body is announced. */
  readonly framing?: string | undefined;
  /** Bytes of the body, including chunk framing. */
  readonly body?: string;
  /** Its decoded body, unless that is `body`. */
  readonly payload?: string;
  /** The HTTP version that it was received with; default 1.1. */
  readonly received?: '1.0' | '1.1';
  /** The method that the client used; default: that of `line`. */
  readonly method?: string;
}

/** One case. */
export interface RequestCase {
  readonly name: string;
  /** Section of an RFC, or a public incident. */
  readonly source: string;
  /** What the client sends, latin1. */
  readonly send: string;
  /** Requests that reach the origin, in order. */
  readonly forwarded: readonly Forwarded[];
  /** The status of the proxy's own response after those, which ends the connection. */
  readonly refused?: number;
  /** Whether the head of the refused request has already been sent. If so, the origin sees a cut request. */
  readonly cut?: boolean;
  /** Whether the connection serves more requests. Default: when nothing was refused. */
  readonly stays?: boolean;
}

/** The host of nearly every case. */
export const host = 'Host: a.test';

/** Lines joined as a head: each with its CRLF, and the empty line after them. */
export function head(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** A case that must be refused before anything reaches the origin. */
export function refuse(name: string, source: string, send: string, status = 400): RequestCase {
  return { name, source, send, forwarded: [], refused: status };
}

/** A case whose body turns out to be malformed: the origin sees it cut, the client gets the status. */
export function cut(name: string, source: string, send: string, status = 400): RequestCase {
  return { name, source, send, forwarded: [], refused: status, cut: true };
}

/** A case in which each request passes, and the connection stays open. */
export function pass(name: string, source: string, send: string, ...forwarded: Forwarded[]): RequestCase {
  return { name, source, send, forwarded };
}

/** A GET of `/` that arrives with these fields besides Host. */
export function plainGet(...fields: string[]): Forwarded {
  return { line: 'GET / HTTP/1.1', fields: [host, ...fields] };
}

/** A printable name of a byte, for names of cases. */
export function byteName(code: number): string {
  return `0x${code.toString(16).padStart(2, '0')}`;
}
