// RequestTimeouts: timeouts of one request that differ from the config's.

/** The stored times; undefined: the config's. */
export interface TimeoutRecord {
  connectTimeout: number | undefined;
  responseTimeout: number | undefined;
  bodyTimeout: number | undefined;
}

const longest = 2 ** 31 - 1;

/** Timeouts of one request, in ms; undefined: the config's. Setting one throws a TypeError for an invalid time. */
export class RequestTimeouts {
  readonly #record: TimeoutRecord;

  /** @internal */
  constructor(record: TimeoutRecord) {
    this.#record = record;
  }

  /** Until the connection to the upstream is established. */
  get connect(): number | undefined {
    return this.#record.connectTimeout;
  }

  set connect(ms: number | undefined) {
    this.#record.connectTimeout = checked(ms);
  }

  /** From sending the request to the response head. */
  get response(): number | undefined {
    return this.#record.responseTimeout;
  }

  set response(ms: number | undefined) {
    this.#record.responseTimeout = checked(ms);
  }

  /** Silence within the upstream's body. */
  get body(): number | undefined {
    return this.#record.bodyTimeout;
  }

  set body(ms: number | undefined) {
    this.#record.bodyTimeout = checked(ms);
  }
}

Object.freeze(RequestTimeouts.prototype);

function checked(ms: number | undefined): number | undefined {
  if (ms === undefined) return ms;
  if (typeof ms !== 'number' || !(ms >= 1 && ms <= longest)) {
    throw new TypeError(`a timeout is a number of ms from 1 to ${longest}, got ${String(ms)}`);
  }
  return ms;
}
