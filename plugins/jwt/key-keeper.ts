// KeyKeeper: keeps a provider's keys fresh for all workers of this node, and limits how often the provider is asked.
import { isDeepStrictEqual } from 'node:util';
import { describeError } from '../../core/errors.ts';
import { backOff } from '../../core/time/back-off.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { KeysTold } from './key-line.ts';
import type { KeyAnswer } from './key-server.ts';
import { type PublicKey, publicKeysIn } from './public-keys.ts';

/** What survives a reload. Times in ms of the monotonic clock. */
export interface KeptKeys {
  url: string;
  keys: readonly PublicKey[] | undefined;
  edition: number;
  fetchedAt: number;
}

/** The collaborators of a keeper; times in ms. */
export interface KeyKeeperOptions {
  readonly url: string;
  readonly kept: KeptKeys;
  readonly clock: Clock;
  readonly timeout: number;
  readonly refresh: number;
  readonly cooldown: number;
  readonly keep: number;
  fetch(signal: AbortSignal): Promise<KeyAnswer>;
  /** Sends to one worker; undefined: to all. */
  tell(worker: number | undefined, told: KeysTold): void;
  warn(text: string): void;
  info(text: string): void;
}

const soonest = 60_000;
const firstPause = 1_000;

/** The keys of one provider. */
export class KeyKeeper {
  private readonly options: KeyKeeperOptions;
  private readonly kept: KeptKeys;
  private cancelNext: CancelTimer | undefined;
  private pending: AbortController | undefined;
  private triedAt = Number.NEGATIVE_INFINITY;
  private failures = 0;
  private isClosed = false;

  constructor(options: KeyKeeperOptions) {
    this.options = options;
    const { url, kept } = options;
    this.kept = kept;
    // Tokens of this provider must not be checked with keys of another.
    if (kept.url !== url) Object.assign(kept, { url, keys: undefined, edition: kept.edition + 1 });
  }

  /** Fetches missing keys, and fetches them again periodically until it is closed. */
  start(): void {
    const { clock, refresh } = this.options;
    const age = clock.monotonic() - this.kept.fetchedAt;
    if (this.kept.keys === undefined || age >= refresh) this.fetch();
    else this.plan(refresh - age);
  }

  /** Handles the message of a worker that needs keys; `newer`: it needs others than it has. */
  wanted(worker: number, which: 'known' | 'newer'): void {
    if (which === 'newer' && this.pending === undefined && this.quiet === 0) this.fetch();
    // At the end of a fetch, all workers are sent the keys.
    if (which === 'known' || this.pending === undefined) this.options.tell(worker, this.told);
  }

  close(): void {
    this.isClosed = true;
    this.cancelNext?.();
    this.pending?.abort();
  }

  /** After a reload, the kept keys may be another provider's. */
  private get isOver(): boolean {
    return this.isClosed || this.kept.url !== this.options.url;
  }

  private get told(): KeysTold {
    const { url, keys, edition } = this.kept;
    return { url, keys, edition, quiet: this.quiet };
  }

  /** How long to wait before the provider may be asked again; 0 while it is being asked. */
  private get quiet(): number {
    if (this.pending !== undefined) return 0;
    const pause = this.failures > 0 ? this.pause : this.options.cooldown;
    return Math.max(0, this.triedAt + pause - this.options.clock.monotonic());
  }

  /** The time from a failure to the next attempt. */
  private get pause(): number {
    return backOff(this.failures, firstPause, this.options.cooldown);
  }

  private plan(ms: number): void {
    this.cancelNext?.();
    this.cancelNext = this.options.clock.after(ms, () => this.fetch());
  }

  private fetch(): void {
    if (this.pending !== undefined) return;
    this.cancelNext?.();
    const { clock, timeout } = this.options;
    this.triedAt = clock.monotonic();
    const pending = new AbortController();
    this.pending = pending;
    const late = new Error(`it did not respond within ${timeout} ms`);
    const cancelTimer = clock.after(timeout, () => pending.abort(late));
    this.options
      .fetch(pending.signal)
      .then(({ set, maxAge }) => ({ keys: publicKeysIn(set), maxAge }))
      .then(
        ({ keys, maxAge }) => this.take(keys, maxAge),
        thrown => this.miss(pending.signal.aborted ? pending.signal.reason : thrown),
      )
      .finally(cancelTimer);
  }

  private take(keys: readonly PublicKey[], maxAge: number | undefined): void {
    this.pending = undefined;
    if (this.isOver) return;
    const { clock, refresh, url, info } = this.options;
    if (this.failures > 0) info(`keys from ${url} are available again`);
    this.failures = 0;
    if (!isDeepStrictEqual(keys, this.kept.keys)) {
      this.kept.keys = keys;
      this.kept.edition++;
    }
    this.kept.fetchedAt = clock.monotonic();
    this.plan(Math.min(refresh, Math.max(soonest, maxAge ?? refresh)));
    this.options.tell(undefined, this.told);
  }

  private miss(thrown: unknown): void {
    this.pending = undefined;
    if (this.isOver) return;
    const { clock, keep, url, warn } = this.options;
    this.failures++;
    const { kept } = this;
    if (kept.keys !== undefined && clock.monotonic() - kept.fetchedAt >= keep) {
      kept.keys = undefined;
      kept.edition++;
    }
    const rest = kept.keys === undefined ? 'no token can be checked' : 'the last ones are used';
    warn(`no keys from ${url}: ${describeError(thrown)}; ${rest}`);
    this.plan(this.pause);
    this.options.tell(undefined, this.told);
  }
}
