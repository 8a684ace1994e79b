// ProxyContext: one request as it moves through the stages. All that a plugin sees of a request.
import type { WeldrError } from '../errors.ts';
import type { Pool, Upstream } from '../pool/pool.ts';
import { HeaderList } from './headers.ts';

/**
 * A response made by Weldr itself. Content-Length, Date and Connection are set by the wire.
 * Make it with {@link reply}.
 */
export class Reply {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: string | Uint8Array;

  constructor(status: number, headers: HeaderList, body: string | Uint8Array) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/**
 * A reply for a stage to return. A text body is sent as UTF-8 `text/plain` unless `headers` say otherwise.
 * Throws a TypeError for a status outside 200 to 599 or a header that cannot be sent.
 */
export function reply(
  status: number,
  body: string | Uint8Array = '',
  headers: Record<string, string> = {},
): Reply {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new TypeError(`a reply's status is from 200 to 599, got ${status}`);
  }
  const list = new HeaderList();
  for (const name of Object.keys(headers)) list.append(name, headers[name] ?? '');
  if (typeof body === 'string' && body !== '' && !list.has('content-type')) {
    list.push('Content-Type', 'content-type', 'text/plain; charset=utf-8');
  }
  return new Reply(status, list, body);
}

/** What `postProxy` returns to have the request tried again: `selectUpstream` is asked anew. */
export const retry: unique symbol = Symbol('weldr.retry');

declare const slotValue: unique symbol;

/** A typed place for what a plugin keeps about one request. */
export interface ContextSlot<T> {
  /** For people who debug; several slots may have the same. */
  readonly name: string;
  readonly [slotValue]?: T;
}

/**
 * Makes a slot, once per module: `const startedAt = contextSlot<number>('stats.startedAt')`. Each call makes another
 * one, whatever its name: at a reload a config's modules run again.
 */
export function contextSlot<T>(name: string): ContextSlot<T> {
  return { name };
}

/** How a request ended; `aborted`: the client left, or its connection was cut because the response was. */
export type Outcome = 'complete' | 'aborted';

const none: readonly Upstream[] = [];

/** Shared by all contexts before their response: frozen, so that nobody edits it by mistake. */
const emptyHeaders: HeaderList = new HeaderList();
Object.freeze(emptyHeaders.names);
Object.freeze(emptyHeaders.keys);
Object.freeze(emptyHeaders.values);

/** One request from its parsed head to its last byte. */
export class ProxyContext {
  // the request, as the client sent it; pre-proxy may edit method, target and headers
  method: string;
  /** Path and query (origin-form, RFC 9112 section 3.2.1), or `*`. */
  target: string;
  /** `1.0` or `1.1`. */
  readonly version: '1.0' | '1.1';
  readonly headers: HeaderList;
  /** The client's address, no brackets; behind a trusted proxy the one that it reported. */
  clientIp = '';
  clientPort = 0;
  /** `http` or `https`: how the client reached the service, as far as is known. */
  scheme: 'http' | 'https' = 'http';
  /** Host and port that the client asked for; empty when it named none (HTTP/1.0). */
  host = '';
  /** The address and port that the client connected to. */
  localPort = 0;
  /** Bytes of the request body that are announced; 0: none, -1: chunked, not known. */
  bodyLength = 0;
  /** Does the client ask to change the protocol (RFC 9110 section 7.8)? */
  upgrade: string | undefined = undefined;

  // where it goes
  /** The pool to choose from; select-upstream may set it. */
  pool: Pool;
  upstream: Upstream | undefined = undefined;
  /** The upstreams that were tried, this attempt's included, in order. */
  tried: readonly Upstream[] = none;
  /** Was this attempt's connection used before? Known once the attempt has failed or answered. */
  reusedConnection = false;
  /** Can the whole request be sent again: is no body there, or is all of it kept? */
  replayable = true;

  // what came back
  /** Status that the client gets or got; 0 before anybody answered; 499 for a client that left before. */
  status = 0;
  /** Status that the upstream of this attempt answered, whatever became of it; 0: it did not answer. */
  upstreamStatus = 0;
  /** The response header section; post-proxy may edit it. Empty before a response head came. */
  responseHeaders: HeaderList = emptyHeaders;
  /** Why this attempt, or the whole request, failed. */
  error: WeldrError | undefined = undefined;

  // the record, for finished
  /** Milliseconds of a monotonic clock (`performance.now()`). */
  readonly startedAt: number;
  /** When this attempt began, same clock; `startedAt` for the first. */
  attemptedAt: number;
  /** When the response head was there, same clock; 0: never. */
  respondedAt = 0;
  finishedAt = 0;
  /** Body bytes from and to the client. */
  bytesIn = 0;
  bytesOut = 0;
  outcome: Outcome = 'aborted';

  private slots: Map<ContextSlot<unknown>, unknown> | undefined = undefined;

  constructor(
    method: string,
    target: string,
    version: '1.0' | '1.1',
    headers: HeaderList,
    pool: Pool,
    startedAt: number,
  ) {
    this.method = method;
    this.target = target;
    this.version = version;
    this.headers = headers;
    this.pool = pool;
    this.startedAt = startedAt;
    this.attemptedAt = startedAt;
  }

  /** For the pipeline: forgets what the last attempt brought; `now` is of the same clock as `startedAt`. */
  beginAttempt(now: number): void {
    this.attemptedAt = now;
    this.upstream = undefined;
    this.upstreamStatus = 0;
    this.status = 0;
    this.responseHeaders = emptyHeaders;
    this.error = undefined;
    this.reusedConnection = false;
    this.respondedAt = 0;
  }

  /** What was kept under a slot, or undefined. */
  get<T>(slot: ContextSlot<T>): T | undefined {
    return this.slots?.get(slot) as T | undefined;
  }

  set<T>(slot: ContextSlot<T>, value: T): void {
    this.slots ??= new Map();
    this.slots.set(slot, value);
  }
}
