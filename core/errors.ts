// The one table of everything that can go wrong: code, status, who is to blame, whether a retry makes sense.

/** Who caused a failure. Only `upstream` failures may count against an upstream's health. */
export type Blame = 'client' | 'upstream' | 'weldr' | 'operator';

/**
 * May another upstream be tried? `safe`: the request cannot have been executed, any method may be retried.
 * `idempotent`: it may have been executed, so only idempotent methods (RFC 9110 section 9.2.2). `never`: no.
 */
export type Retry = 'safe' | 'idempotent' | 'never';

interface ErrorRow {
  readonly status: number;
  readonly blame: Blame;
  readonly retry: Retry;
  readonly title: string;
}

const row = (status: number, blame: Blame, retry: Retry, title: string): ErrorRow => ({
  status,
  blame,
  retry,
  title,
});

/** Every error code of Weldr. The status is what a client is answered when nothing was sent to it yet. */
export const errorTable = {
  // towards clients
  BAD_REQUEST: row(400, 'client', 'never', 'the request is malformed or ambiguous'),
  BAD_CHUNK: row(400, 'client', 'never', 'the chunked request body is malformed'),
  REQUEST_TIMEOUT: row(408, 'client', 'never', 'the request did not arrive in time'),
  METHOD_NOT_ALLOWED: row(405, 'client', 'never', 'this method is not proxied'),
  BODY_TOO_LARGE: row(413, 'client', 'never', 'the request body is over the limit'),
  TARGET_TOO_LONG: row(414, 'client', 'never', 'the request line is over the limit'),
  EXPECTATION_FAILED: row(417, 'client', 'never', 'the expectation is not supported'),
  HEADERS_TOO_LARGE: row(431, 'client', 'never', 'the header section is over the limit'),
  CLIENT_CLOSED: row(499, 'client', 'never', 'the client left before the response was complete'),
  TRANSFER_CODING: row(501, 'client', 'never', 'the transfer coding is not supported'),
  VERSION_UNSUPPORTED: row(505, 'client', 'never', 'the HTTP version is not supported'),
  // towards upstreams
  CONNECT_FAILED: row(502, 'upstream', 'safe', 'no connection to the upstream'),
  CONNECT_TIMEOUT: row(504, 'upstream', 'safe', 'connecting to the upstream took too long'),
  TLS_FAILED: row(502, 'upstream', 'safe', 'the TLS handshake with the upstream failed'),
  STALE_CONNECTION: row(502, 'upstream', 'idempotent', 'a reused upstream connection died before a response'),
  UPSTREAM_RESET: row(
    502,
    'upstream',
    'idempotent',
    'the upstream closed the connection before the response head',
  ),
  BAD_RESPONSE: row(502, 'upstream', 'never', 'the response of the upstream is malformed'),
  RESPONSE_TIMEOUT: row(504, 'upstream', 'idempotent', 'the upstream did not answer in time'),
  BODY_TIMEOUT: row(504, 'upstream', 'never', 'the response body of the upstream stalled'),
  BODY_CUT: row(502, 'upstream', 'never', 'the response body of the upstream ended early'),
  LOOP: row(508, 'operator', 'never', 'the request came back to this proxy'),
  // nobody to ask
  NO_UPSTREAM: row(503, 'operator', 'never', 'no upstream is available'),
  UPSTREAM_BUSY: row(503, 'upstream', 'safe', 'the upstream is at its limit of connections or requests'),
  QUEUE_TIMEOUT: row(503, 'upstream', 'safe', 'the wait for the upstream took too long'),
  OVERLOADED: row(503, 'weldr', 'never', 'this proxy is at its limit of connections'),
  STOPPED: row(503, 'weldr', 'never', 'this proxy stopped before the response was complete'),
  // ourselves
  PLUGIN_FAILED: row(500, 'weldr', 'never', 'a plugin failed'),
  INTERNAL: row(500, 'weldr', 'never', 'a defect in Weldr'),
  // configuration, admin API and store
  CONFIG_INVALID: row(400, 'operator', 'never', 'the config is not valid'),
  LISTEN_FAILED: row(409, 'operator', 'never', 'an address cannot be listened on'),
  INPUT_INVALID: row(400, 'operator', 'never', 'the input is not valid'),
  NOT_FOUND: row(404, 'operator', 'never', 'there is no such thing'),
  CONFLICT: row(409, 'operator', 'never', 'somebody else changed it meanwhile'),
  LIMIT_REACHED: row(409, 'operator', 'never', 'there are too many already'),
  FORBIDDEN: row(403, 'operator', 'never', 'this caller may not do that'),
  UNAUTHORIZED: row(401, 'operator', 'never', 'a valid bearer token is needed'),
  STORE_UNAVAILABLE: row(503, 'weldr', 'never', 'the pool cannot be written at the moment'),
  STORE_DAMAGED: row(500, 'weldr', 'never', 'what the store holds cannot be read'),
} as const satisfies Record<string, ErrorRow>;

/** A key of {@link errorTable}. */
export type ErrorCode = keyof typeof errorTable;

/** What an error is made with, besides its code and detail. */
export interface WeldrErrorOptions {
  readonly cause?: unknown;
  readonly field?: string | undefined;
  readonly plugin?: string | undefined;
  readonly stage?: string | undefined;
}

/**
 * The only error class that Weldr makes. `status`, `blame` and `retry` come from {@link errorTable};
 * `message` is the detail for logs and, for client and operator errors, for the answer.
 */
export class WeldrError extends Error {
  override readonly name = 'WeldrError';
  readonly code: ErrorCode;
  /** For operator input: the path of the field that is wrong, such as `servers[1].weight`. */
  readonly field: string | undefined;
  /** For PLUGIN_FAILED: the plugin, and the stage in which it failed. */
  readonly plugin: string | undefined;
  readonly stage: string | undefined;

  constructor(code: ErrorCode, detail?: string, options?: WeldrErrorOptions) {
    super(
      detail ?? errorTable[code].title,
      options?.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.field = options?.field;
    this.plugin = options?.plugin;
    this.stage = options?.stage;
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

  get title(): string {
    return errorTable[this.code].title;
  }
}

/** Whatever was thrown, as an Error: JavaScript lets anything be thrown. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

// An error may be its own cause.
const maxCauses = 5;

/** The message and its causes in one line, for a log or an answer to an operator. */
export function describeError(thrown: unknown): string {
  return describe(thrown, 0);
}

function describe(thrown: unknown, depth: number): string {
  const error = toError(thrown);
  const own = ownMessage(error, depth);
  return error.cause === undefined || depth >= maxCauses
    ? own
    : `${own}: ${describe(error.cause, depth + 1)}`;
}

/** Connecting to a name with several addresses fails with an AggregateError that has no message of its own. */
function ownMessage(error: Error, depth: number): string {
  if (error.message !== '') return error.message;
  if (error instanceof AggregateError && error.errors.length > 0 && depth < maxCauses) {
    return error.errors.map(each => describe(each, depth + 1)).join('; ');
  }
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
