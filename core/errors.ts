// The one table of everything that can go wrong: code, status, who is to blame, whether a retry makes sense, in which
// phase it happens, whether it counts against an upstream's health, and how it is logged.

import { messageOf, thrownText } from './errors/foreign-message.ts';
import { isOfOtherCopy, markCopy } from './package/copy-mark.ts';

/** Who caused a failure. */
export type Blame = 'client' | 'upstream' | 'weldr' | 'operator';

/**
 * Whether another upstream may be tried. `safe`: the request cannot have been executed, so any method may be retried.
 * `idempotent`: it may have been executed, so only idempotent methods (RFC 9110 section 9.2.2). `never`: no.
 */
export type Retry = 'safe' | 'idempotent' | 'never';

/** The phase in which an error happens. */
export type Phase =
  | 'request-head'
  | 'request-body'
  | 'stage'
  | 'select'
  | 'connect'
  | 'response-head'
  | 'response-body'
  | 'operation';

/** The level of an error's log line. */
export type LogLevel = 'info' | 'warn' | 'error';

interface ErrorRow {
  readonly status: number;
  readonly blame: Blame;
  readonly retry: Retry;
  readonly phase: Phase;
  /** Whether it is a sign of an unhealthy upstream. */
  readonly health: 'counts' | 'ignored';
  readonly level: LogLevel;
  readonly title: string;
}

/** A client's mistake: never retried, never held against an upstream. */
function client(status: number, phase: Phase, title: string): ErrorRow {
  return { status, blame: 'client', retry: 'never', phase, health: 'ignored', level: 'info', title };
}

/** An attempt failed. */
function upstream(
  status: number,
  phase: Phase,
  retry: Retry,
  health: ErrorRow['health'],
  title: string,
): ErrorRow {
  return { status, blame: 'upstream', retry, phase, health, level: 'warn', title };
}

/** Weldr or a plugin is at fault, or at a limit. */
function weldr(status: number, phase: Phase, level: LogLevel, title: string): ErrorRow {
  return { status, blame: 'weldr', retry: 'never', phase, health: 'ignored', level, title };
}

/** An operator's input is wrong. */
function operator(status: number, phase: Phase, title: string): ErrorRow {
  return { status, blame: 'operator', retry: 'never', phase, health: 'ignored', level: 'warn', title };
}

/** Every error code of Weldr. The status is that of the response, when nothing was sent to the client yet. */
export const errorTable = {
  // towards clients
  BAD_REQUEST: client(400, 'request-head', 'the request is malformed or ambiguous'),
  BAD_CHUNK: client(400, 'request-body', 'the chunked request body is malformed'),
  REQUEST_TIMEOUT: client(408, 'request-body', 'the request did not arrive in time'),
  METHOD_NOT_ALLOWED: client(405, 'request-head', 'this method is not proxied'),
  BODY_TOO_LARGE: client(413, 'request-body', 'the request body is over the limit'),
  TARGET_TOO_LONG: client(414, 'request-head', 'the request line is over the limit'),
  EXPECTATION_FAILED: client(417, 'request-head', 'the expectation is not supported'),
  HEADERS_TOO_LARGE: client(431, 'request-head', 'the header section is over the limit'),
  CLIENT_CLOSED: client(499, 'response-body', 'the client left before the response was complete'),
  DEADLINE_EXCEEDED: client(504, 'response-body', 'the time that the client gave has passed'),
  TRANSFER_CODING: client(501, 'request-head', 'the transfer coding is not supported'),
  VERSION_UNSUPPORTED: client(505, 'request-head', 'the HTTP version is not supported'),
  // towards upstreams
  CONNECT_FAILED: upstream(502, 'connect', 'safe', 'counts', 'no connection to the upstream'),
  CONNECT_TIMEOUT: upstream(504, 'connect', 'safe', 'counts', 'connecting to the upstream took too long'),
  TLS_FAILED: upstream(502, 'connect', 'safe', 'counts', 'the TLS handshake with the upstream failed'),
  OWN_ADDRESS: upstream(508, 'connect', 'safe', 'counts', 'the upstream is this proxy itself'),
  // A race between two idle timeouts.
  STALE_CONNECTION: upstream(
    502,
    'response-head',
    'idempotent',
    'ignored',
    'a reused upstream connection died before a response',
  ),
  // The upstream says that it did not process the request (RFC 9113 section 8.7).
  STREAM_REFUSED: upstream(
    502,
    'response-head',
    'safe',
    'ignored',
    'the upstream did not process the request',
  ),
  UPSTREAM_RESET: upstream(
    502,
    'response-head',
    'idempotent',
    'counts',
    'the upstream closed the connection before the response head',
  ),
  BAD_RESPONSE: upstream(
    502,
    'response-head',
    'never',
    'counts',
    'the response of the upstream is malformed',
  ),
  RESPONSE_TIMEOUT: upstream(
    504,
    'response-head',
    'idempotent',
    'counts',
    'the upstream did not answer in time',
  ),
  BODY_TIMEOUT: upstream(
    504,
    'response-body',
    'never',
    'counts',
    'the response body of the upstream stalled',
  ),
  BODY_CUT: upstream(
    502,
    'response-body',
    'never',
    'counts',
    'the response body of the upstream ended early',
  ),
  LOOP: operator(508, 'request-head', 'the request came back to this proxy'),
  // no upstream is available
  NO_UPSTREAM: operator(503, 'select', 'no upstream is available'),
  // Weldr's own limits.
  UPSTREAM_BUSY: upstream(
    503,
    'connect',
    'safe',
    'ignored',
    'the upstream is at its limit of connections or requests',
  ),
  QUEUE_TIMEOUT: upstream(503, 'connect', 'safe', 'ignored', 'the wait for the upstream took too long'),
  OVERLOADED: weldr(503, 'connect', 'warn', 'this proxy is at its limit of connections'),
  STOPPED: weldr(503, 'response-body', 'warn', 'this proxy stopped before the response was complete'),
  // Weldr itself
  PLUGIN_FAILED: weldr(500, 'stage', 'error', 'a plugin failed'),
  INTERNAL: weldr(500, 'stage', 'error', 'a defect in Weldr'),
  // configuration, admin API and store
  CONFIG_INVALID: operator(400, 'operation', 'the config is not valid'),
  LISTEN_FAILED: operator(409, 'operation', 'an address cannot be listened on'),
  UPGRADE_FAILED: operator(409, 'operation', 'no other process has taken over from this one'),
  INPUT_INVALID: operator(400, 'operation', 'the input is not valid'),
  NOT_FOUND: operator(404, 'operation', 'it does not exist'),
  CONFLICT: operator(409, 'operation', 'it was changed in the meantime'),
  PRECONDITION_FAILED: operator(412, 'operation', 'it is not what was expected'),
  LIMIT_REACHED: operator(409, 'operation', 'there are too many already'),
  FORBIDDEN: operator(403, 'operation', 'this caller may not do that'),
  UNAUTHORIZED: operator(401, 'operation', 'a valid bearer token is needed'),
  TOO_MANY_ATTEMPTS: operator(429, 'operation', 'there were too many failed attempts'),
  STORE_UNAVAILABLE: weldr(503, 'operation', 'error', 'the pool cannot be written at the moment'),
  STORE_DAMAGED: weldr(500, 'operation', 'error', 'what the store holds cannot be read'),
} as const satisfies Record<string, ErrorRow>;

// All plugins share these rows.
for (const row of Object.values(errorTable)) Object.freeze(row);
Object.freeze(errorTable);

/** A key of {@link errorTable}. */
export type ErrorCode = keyof typeof errorTable;

/** The properties of an error besides its code and message. */
export interface WeldrErrorOptions {
  readonly cause?: unknown;
  readonly field?: string | undefined;
  readonly plugin?: string | undefined;
  readonly stage?: string | undefined;
}

/** The properties that an error carries over from its creation. */
const told = ['name', 'message', 'cause', 'field', 'plugin', 'stage'] as const;
const derived = ['status', 'blame', 'retry', 'phase', 'countsAgainstHealth', 'level', 'title'] as const;

/**
 * The only error class of Weldr. {@link errorTable} says what follows from a code; `message` is the detail for logs and,
 * for client and operator errors, for the response.
 */
export class WeldrError extends Error {
  override readonly name = 'WeldrError';
  declare readonly code: ErrorCode;
  /** For operator input: the path of the wrong field, such as `servers[1].weight`. */
  readonly field: string | undefined;
  /** For PLUGIN_FAILED: the plugin, and the stage in which it failed. */
  readonly plugin: string | undefined;
  readonly stage: string | undefined;
  readonly #made = true;

  /** Tests a private field, which only the constructor sets: no look-alike of a plugin passes. */
  static override [Symbol.hasInstance](value: unknown): value is WeldrError {
    return typeof value === 'object' && value !== null && #made in value;
  }

  constructor(code: ErrorCode, detail?: string, options?: WeldrErrorOptions) {
    super(
      detail ?? errorTable[code].title,
      options?.cause === undefined ? undefined : { cause: options.cause },
    );
    Object.defineProperty(this, 'code', { value: code, enumerable: true });
    this.field = options?.field;
    this.plugin = options?.plugin;
    this.stage = options?.stage;
    this.lock();
  }

  /**
   * Clients see the status and title, and plugins can reach errors, so these properties cannot be changed. The error is
   * not frozen, because loggers mark the errors that they are writing.
   */
  private lock(): void {
    for (const key of told) {
      if (Object.hasOwn(this, key))
        Object.defineProperty(this, key, { writable: false, configurable: false });
    }
    for (const key of derived) Object.defineProperty(this, key, { value: this[key] });
  }

  get status(): number {
    return errorTable[this.code].status;
  }

  get blame(): Blame {
    return errorTable[this.code].blame;
  }

  get retry(): Retry {
    return errorTable[this.code].retry;
  }

  get phase(): Phase {
    return errorTable[this.code].phase;
  }

  /** Whether it is a sign of an unhealthy upstream. */
  get countsAgainstHealth(): boolean {
    return errorTable[this.code].health === 'counts';
  }

  get level(): LogLevel {
    return errorTable[this.code].level;
  }

  get title(): string {
    return errorTable[this.code].title;
  }
}

markCopy('WeldrError', WeldrError.prototype);
Object.freeze(WeldrError.prototype);

/** @internal Turns an error of another copy of Weldr into one of this copy; returns anything else as it is. */
export function adoptError(thrown: unknown): unknown {
  if (!isOfOtherCopy('WeldrError', WeldrError.prototype, thrown)) return thrown;
  const {
    code,
    message,
    field,
    plugin,
    stage,
  }: Partial<Record<'code' | keyof WeldrErrorOptions | 'message', unknown>> = thrown;
  if (!isErrorCode(code) || typeof message !== 'string') return thrown;
  return new WeldrError(code, message, {
    cause: thrown,
    field: textOf(field),
    plugin: textOf(plugin),
    stage: textOf(stage),
  });
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorTable, code);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Anything that was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  try {
    return thrown instanceof Error ? thrown : new Error(String(thrown));
  } catch {
    return new Error('what was thrown cannot be shown');
  }
}

// An error may be its own cause.
const maxCauses = 5;

/** The stack of what was thrown, if it has one that can be read. */
export function stackOf(thrown: unknown): string | undefined {
  try {
    const stack: unknown = thrown instanceof Error ? thrown.stack : undefined;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

/** The message and its causes in one line, for a log or a response to an operator. */
export function describeError(thrown: unknown): string {
  try {
    return describe(thrown, 0);
  } catch {
    return 'an error that cannot be shown';
  }
}

function describe(thrown: unknown, depth: number): string {
  const error = thrown instanceof Error ? thrown : new Error(thrownText(thrown));
  const own = ownMessage(error, depth);
  if (error.cause === undefined || depth >= maxCauses) return own;
  const cause = describe(error.cause, depth + 1);
  // The message may already contain the cause.
  return own.includes(cause) ? own : `${own}: ${cause}`;
}

/** Connecting to a name with several addresses fails with an AggregateError without a message. */
function ownMessage(error: Error, depth: number): string {
  const message = messageOf(error);
  if (message !== '') return message;
  if (error instanceof AggregateError && error.errors.length > 0 && depth < maxCauses) {
    return error.errors.map(each => describe(each, depth + 1)).join('; ');
  }
  return 'code' in error && typeof error.code === 'string' ? error.code : String(error.name);
}
