// Reply: a response that Weldr or a plugin makes.
import { types } from 'node:util';
import { isOfOtherCopy, markCopy } from '../package/copy-mark.ts';
import { HeaderList } from './headers.ts';

/** @internal `value instanceof Reply`, for the hot path. */
export let isReply: (value: unknown) => value is Reply;

/**
 * A response that Weldr makes. The wire sets Content-Length, Date and Connection. Make it with {@link reply}. One reply
 * may serve many requests: later stages edit a copy of its header list.
 */
export class Reply {
  readonly status: number;
  readonly headers: HeaderList;
  /** A private copy of the bytes: an array that others hold can be made to lie about its length. */
  readonly #body: string | Uint8Array;

  /** Tests a private field, which only the constructor sets: no look-alike of a plugin passes. */
  static [Symbol.hasInstance](value: unknown): value is Reply {
    return isReply(value);
  }

  static {
    isReply = (value): value is Reply => typeof value === 'object' && value !== null && #body in value;
  }

  constructor(status: number, headers: HeaderList, body: string | Uint8Array) {
    if (!isFinalStatus(status))
      throw new TypeError(`a reply's status is from 200 to 599, got ${String(status)}`);
    if (typeof body !== 'string' && !types.isUint8Array(body)) {
      throw new TypeError(`a reply's body is a string or a Uint8Array, got ${typeof body}`);
    }
    this.status = status;
    // Copies: the bytes must not change while they are sent.
    this.headers = copyOf(headers);
    this.#body = typeof body === 'string' ? body : new Uint8Array(body);
    Object.freeze(this);
  }

  /** Text, or a view of the reply's bytes; empty once a plugin has transferred their memory. */
  get body(): string | Uint8Array {
    if (typeof this.#body === 'string') return this.#body;
    return this.#body.length === 0 ? new Uint8Array() : this.#body.subarray();
  }
}

markCopy('Reply', Reply.prototype);
Object.freeze(Reply.prototype);

/** @internal Turns a reply of another copy of Weldr into one of this copy; undefined for anything else. */
export function adoptReply(value: unknown): Reply | undefined {
  if (!isOfOtherCopy('Reply', Reply.prototype, value)) return undefined;
  const { status, headers, body }: { status?: unknown; headers?: unknown; body?: unknown } = value;
  if (typeof status !== 'number' || !isIterable(headers)) return undefined;
  if (typeof body !== 'string' && !types.isUint8Array(body)) return undefined;
  const list = new HeaderList();
  for (const pair of headers) {
    if (!Array.isArray(pair)) return undefined;
    list.append(String(pair[0]), String(pair[1]));
  }
  return new Reply(status, list, body);
}

function isIterable(value: unknown): value is Iterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.iterator in value;
}

const { clone } = HeaderList.prototype;

function copyOf(headers: HeaderList): HeaderList {
  return clone.call(headers).freeze();
}

/**
 * Makes a reply for a stage to return. A text body is sent as UTF-8 `text/plain` unless `headers` sets another type.
 * `headers` is an object, or pairs in which names may repeat. Throws a TypeError for a status outside 200 to 599, a
 * header that cannot be sent, or a body of another type.
 *
 * @example hooks.request.tap('closed', () => reply(503, 'Back soon.\n', { 'Retry-After': '60' }))
 */
export function reply(
  status: number,
  body: string | Uint8Array = '',
  headers: Readonly<Record<string, string>> | Iterable<readonly [name: string, value: string]> = {},
): Reply {
  const list = new HeaderList();
  const pairs = Symbol.iterator in headers ? headers : Object.entries(headers);
  for (const [name, value] of pairs) list.append(name, value);
  if (typeof body === 'string' && body !== '' && !list.has('content-type')) {
    list.push('Content-Type', 'content-type', 'text/plain; charset=utf-8');
  }
  return new Reply(status, list, body);
}

/** Returns whether a value can be the status of a final response (RFC 9110 section 15). */
export function isFinalStatus(status: unknown): boolean {
  return typeof status === 'number' && Number.isInteger(status) && status >= 200 && status <= 599;
}
