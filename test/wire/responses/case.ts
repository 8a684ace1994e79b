// What a case of the response corpus is: raw bytes of an upstream, and what the client has to get of them.

/** One case. */
export interface ResponseCase {
  readonly name: string;
  /** Section of an RFC, or a public incident. */
  readonly source: string;
  /** Method and version of the client's request; default `GET 1.1`. */
  readonly request?: string;
  /** What the upstream sends, latin1. */
  readonly sends: string;
  /** What it does then; default `waits`. */
  readonly ending?: 'waits' | 'ends' | 'resets';
  /**
   * `passes`: the client gets `raw`; `refused`: it gets a 502 and nothing of what the upstream sent; `cut`: it sees
   * that the response is not complete; `refused or cut`: either, by how much of it came at once.
   */
  readonly outcome: 'passes' | 'refused' | 'cut' | 'refused or cut';
  /** For `passes`: every byte that the client gets for this request. */
  readonly raw?: string;
  /** Does the upstream's connection serve the next request too? Default: for `passes` it does. */
  readonly reused?: boolean;
  /** Does the client's? Default: unless the response was cut. */
  readonly stays?: boolean;
  /** How the bytes arrive changes the chunks that a body is sent in: compare what they say. */
  readonly rechunked?: boolean;
}

/** Passed on wherever an upstream sent it, so that responses are the same each time. */
export const date = 'Date: Thu, 01 Jan 2026 00:00:00 GMT';

/** A response: status line, Date, field lines, body. */
export function response(line: string, fields: readonly string[], body = ''): string {
  return `${[`HTTP/1.1 ${line}`, date, ...fields].join('\r\n')}\r\n\r\n${body}`;
}

/** A response of 200 with these fields and this body, unframed. */
export function ok(fields: readonly string[], body = ''): string {
  return response('200 OK', fields, body);
}
