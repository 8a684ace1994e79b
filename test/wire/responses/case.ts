// A case of the response corpus: the raw bytes of an upstream, and what the client must receive.

/** One case. */
export interface ResponseCase {
  readonly name: string;
  /** Section of an RFC, or a public incident. */
  readonly source: string;
  /** Method and version of the client's request; default `GET 1.1`. */
  readonly request?: string;
  /** What the upstream sends, latin1. */
  readonly sends: string;
  /** What it does afterwards; default `waits`. */
  readonly ending?: 'waits' | 'ends' | 'resets';
  /**
   * `passes`: the client gets `raw`; `refused`: it gets a 502 and nothing of the upstream's bytes; `cut`: it sees that
   * the response is incomplete; `refused or cut`: either, depending on how much arrived at once.
   */
  readonly outcome: 'passes' | 'refused' | 'cut' | 'refused or cut';
  /** For `passes`: every byte that the client receives for this request. */
  readonly raw?: string;
  /** Whether the upstream's connection serves the next request. Default: for `passes`. */
  readonly reused?: boolean;
  /** Whether the client's connection does. Default: unless the response was cut. */
  readonly stays?: boolean;
  /** Whether the way the bytes arrive affects the chunks that are sent. If so, only their content is compared. */
  readonly rechunked?: boolean;
}

/** Passed on from every upstream, so responses are the same each time. */
export const date = 'Date: Thu, 01 Jan 2026 00:00:00 GMT';

/** A response: status line, Date, field lines, body. */
export function response(line: string, fields: readonly string[], body = ''): string {
  return `${[`HTTP/1.1 ${line}`, date, ...fields].join('\r\n')}\r\n\r\n${body}`;
}

/** A response of 200 with these fields and this body, unframed. */
export function ok(fields: readonly string[], body = ''): string {
  return response('200 OK', fields, body);
}
