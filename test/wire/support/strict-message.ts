// A second, unforgiving parser of HTTP/1.1 messages, for both ends of a test. It shares no code with the core.

/** One message as it was on the wire. */
export interface Message {
  /** Request line or status line, without its CRLF. */
  readonly line: string;
  /** Field lines, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The body without its framing, latin1. */
  readonly body: string;
  /** Trailer lines of a chunked body. */
  readonly trailers: readonly (readonly [name: string, value: string])[];
  readonly framing: 'none' | 'length' | 'chunked' | 'close';
  /** All its bytes, latin1. */
  readonly raw: string;
  /** Whether it is complete. A body that ends with the connection is complete once the connection has ended. */
  readonly complete: boolean;
}

/** Thrown for a malformed message. Neither end of a test ever repairs anything. */
export class MessageError extends Error {}

const fieldLine =
  /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*((?:[!-~\x80-\xff](?:[\t !-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*$/;
const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([!-~]+) HTTP\/1\.[01]$/;
const statusLine = /^HTTP\/1\.[01] ([1-5]\d\d) [\t -~\x80-\xff]*$/;

/** The values of a field; `name`: in any case. */
export function valuesOf(message: Message, name: string): string[] {
  return message.fields.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
}

/** Parses one request at the start of `text`; undefined if its head is incomplete. Throws MessageError. */
export function readRequest(text: string): Message | undefined {
  const head = readHead(text, requestLine);
  return head === undefined ? undefined : withBody(text, head, bodyOf(head, 'none'), false);
}

/** Parses one response to `method` at the start of `text`; `ended`: the connection has. Throws MessageError. */
export function readResponse(text: string, method: string, ended: boolean): Message | undefined {
  const head = readHead(text, statusLine);
  if (head === undefined) return undefined;
  const status = Number(head.line.slice(9, 12));
  const framing = bodyOf(head, 'close');
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  return withBody(text, head, bodiless ? { framing: 'none', length: 0 } : framing, ended);
}

/** Status of a response. */
export function statusOf(message: Message): number {
  return Number(message.line.slice(9, 12));
}

interface Head {
  readonly line: string;
  readonly fields: readonly (readonly [string, string])[];
  readonly end: number;
}

function readHead(text: string, line: RegExp): Head | undefined {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const [first = '', ...rest] = text.slice(0, end).split('\r\n');
  if (!line.test(first)) throw new MessageError(`a malformed first line: ${JSON.stringify(first)}`);
  return { line: first, fields: rest.map(readField), end: end + 4 };
}

function readField(text: string): readonly [string, string] {
  const match = fieldLine.exec(text);
  if (match === null) throw new MessageError(`a malformed field line: ${JSON.stringify(text)}`);
  return [match[1] ?? '', match[2] ?? ''];
}

interface Framing {
  readonly framing: Message['framing'];
  readonly length: number;
}

function bodyOf(head: Head, unframed: 'none' | 'close'): Framing {
  const all = (name: string) => head.fields.filter(([key]) => key.toLowerCase() === name).map(([, v]) => v);
  const [length, ...moreLengths] = all('content-length');
  const [coding, ...moreCodings] = all('transfer-encoding');
  if (moreLengths.length > 0 || moreCodings.length > 0) throw new MessageError('framed twice');
  if (coding !== undefined) {
    if (length !== undefined) throw new MessageError('framed by length and by coding');
    if (coding !== 'chunked') throw new MessageError(`a coding that is not exactly chunked: ${coding}`);
    return { framing: 'chunked', length: 0 };
  }
  if (length === undefined) return { framing: unframed, length: 0 };
  if (!/^(0|[1-9]\d{0,14})$/.test(length)) throw new MessageError(`a malformed length: ${length}`);
  return { framing: 'length', length: Number(length) };
}

function withBody(text: string, head: Head, { framing, length }: Framing, ended: boolean): Message {
  const { line, fields } = head;
  const base = { line, fields, framing, trailers: [] };
  if (framing === 'chunked') return { ...base, ...readChunks(text, head.end) };
  const wanted = framing === 'close' ? text.length - head.end : length;
  const body = text.slice(head.end, head.end + wanted);
  const complete = framing === 'close' ? ended : body.length === wanted;
  return { ...base, body, complete, raw: text.slice(0, head.end + body.length) };
}

function readChunks(text: string, start: number): Pick<Message, 'body' | 'trailers' | 'raw' | 'complete'> {
  let pos = start;
  let body = '';
  const partial = () => ({ body, trailers: [], raw: text, complete: false });
  for (;;) {
    const lineEnd = text.indexOf('\r\n', pos);
    if (lineEnd < 0) return partial();
    const digits = text.slice(pos, lineEnd);
    if (!/^[0-9a-fA-F]{1,12}$/.test(digits))
      throw new MessageError(`a malformed chunk size: ${JSON.stringify(digits)}`);
    const size = Number.parseInt(digits, 16);
    pos = lineEnd + 2;
    if (size === 0) break;
    body += text.slice(pos, pos + size);
    if (text.length < pos + size + 2) return partial();
    if (text.slice(pos + size, pos + size + 2) !== '\r\n') throw new MessageError('a chunk without its end');
    pos += size + 2;
  }
  if (text.startsWith('\r\n', pos))
    return { body, trailers: [], raw: text.slice(0, pos + 2), complete: true };
  const end = text.indexOf('\r\n\r\n', pos);
  if (end < 0) return partial();
  const trailers = text.slice(pos, end).split('\r\n').map(readField);
  return { body, trailers, raw: text.slice(0, end + 4), complete: true };
}
