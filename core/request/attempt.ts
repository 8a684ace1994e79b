// Attempt: the record of one try of a request against one upstream.
import type { WeldrError } from '../errors.ts';
import type { Upstream } from '../pool/pool.ts';

/** One try of a request against one upstream. Times are ms of a monotonic clock; 0: it did not come to that. */
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

  /** When the upstream was asked for. */
  get startedAt(): number {
    return this.#startedAt;
  }

  /** When a connection began to be made for it; 0: one was there, or the attempt did not come to that. */
  get connectingAt(): number {
    return this.#connectingAt;
  }

  /** When a connection was there, so that the request could be sent; before it lie the queue and the connect. */
  get sentAt(): number {
    return this.#sentAt;
  }

  /** When the response head was there. */
  get respondedAt(): number {
    return this.#respondedAt;
  }

  /** When the attempt was over. */
  get finishedAt(): number {
    return this.#finishedAt;
  }

  /** Was its connection used before? Known once the attempt has failed or was responded to. */
  get reusedConnection(): boolean {
    return this.#reused;
  }

  /** The status that the upstream sent, whatever became of it; 0: none. */
  get status(): number {
    return this.#status;
  }

  /** Why it failed; undefined: it did not, as far as is known. */
  get error(): WeldrError | undefined {
    return this.#error;
  }

  /** @internal A connection is being made for it. */
  connecting(now: number): void {
    if (this.#connectingAt === 0) this.#connectingAt = now;
  }

  /** @internal The request head was given to a connection that stands. */
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
