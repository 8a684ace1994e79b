// Attempt: the record of one try of a request against one upstream.
import type { WeldrError } from '../errors.ts';
import type { Upstream } from '../pool/pool.ts';

/** One try of a request against one upstream. Times are ms of a monotonic clock; 0: it did not get that far. */
export class Attempt {
  readonly #upstream: Upstream;
  readonly #startedAt: number;
  #connectingAt = 0;
  #sentAt = 0;
  #reused = false;
  #respondedAt = 0;
  #finishedAt = 0;
  #status = 0;
  #error: WeldrError | undefined = undefined;

  constructor(upstream: Upstream, startedAt: number) {
    this.#upstream = upstream;
    this.#startedAt = startedAt;
  }

  get upstream(): Upstream {
    return this.#upstream;
  }

  /** When the upstream was chosen. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** When a connection was opened for it; 0: one existed, or the attempt did not get that far. */
  get connectingAt(): number {
    return this.#connectingAt;
  }

  /** When a connection was ready for the request; the queue and the connect come before. */
  get sentAt(): number {
    return this.#sentAt;
  }

  /** When the response head had arrived. */
  get respondedAt(): number {
    return this.#respondedAt;
  }

  /** When the attempt ended. */
  get finishedAt(): number {
    return this.#finishedAt;
  }

  /** Whether its connection was used before. Known once the attempt has failed or has a response. */
  get reusedConnection(): boolean {
    return this.#reused;
  }

  /** The status that the upstream sent, whatever followed; 0: none. */
  get status(): number {
    return this.#status;
  }

  /** Why it failed; undefined: it has not. */
  get error(): WeldrError | undefined {
    return this.#error;
  }

  /** @internal A connection is being opened for it. */
  connecting(now: number): void {
    if (this.#connectingAt === 0) this.#connectingAt = now;
  }

  /** @internal The request head was given to a ready connection. */
  sent(now: number): void {
    this.#sentAt = now;
  }

  /** @internal */
  reuses(reused: boolean): void {
    this.#reused = reused;
  }

  /** @internal */
  responded(status: number, now: number): void {
    this.#status = status;
    this.#respondedAt = now;
  }

  /** @internal */
  failed(error: WeldrError): void {
    this.#error ??= error;
  }

  /** @internal */
  finished(now: number): void {
    this.#finishedAt = now;
  }
}

Object.freeze(Attempt.prototype);
