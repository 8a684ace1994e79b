// KeySource: the keys of a worker: those of its config, or those that the manager fetched.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { KeysTold, KeysWanted } from './key-line.ts';
import type { CheckingKeys } from './verification.ts';

/** Where keys come from. */
export interface KeySource {
  /** Undefined: there are none. */
  readonly keys: CheckingKeys | undefined;
  /** Can there be others? */
  readonly canRenew: boolean;
  /** Resolves when there may be others, within a time; at once where there will be none. */
  renewed(): Promise<void>;
  close(): void;
}

/** Keys that stand in the config. */
export class FixedKeys implements KeySource {
  readonly canRenew = false;
  readonly keys: CheckingKeys;

  constructor(keys: CheckingKeys) {
    this.keys = keys;
  }

  async renewed(): Promise<void> {}

  close(): void {}
}

/** What fetched keys work with. */
export interface FetchedKeysOptions {
  readonly url: string;
  readonly clock: Clock;
  /** The longest that a request waits for them, ms. */
  readonly timeout: number;
  ask(message: KeysWanted): void;
}

/** Keys that the manager fetches. One question of it serves all requests that wait. */
export class FetchedKeys implements KeySource {
  keys: CheckingKeys | undefined;
  readonly canRenew = true;
  private readonly options: FetchedKeysOptions;
  private edition: number | undefined;
  private quietUntil = 0;
  private waiting: PromiseWithResolvers<void> | undefined;
  private cancelTimer: CancelTimer | undefined;

  constructor(options: FetchedKeysOptions) {
    this.options = options;
    options.ask({ wanted: 'known' });
  }

  /** Takes what the manager says. */
  hear({ url, keys, edition, quiet }: KeysTold): void {
    if (url !== this.options.url) return;
    if (edition !== this.edition) {
      this.edition = edition;
      this.keys = keys === undefined ? undefined : { kind: 'set', keys };
    }
    this.quietUntil = this.options.clock.monotonic() + quiet;
    // Else the provider is being asked, and all are told when it has answered.
    if (quiet > 0) this.settle();
  }

  async renewed(): Promise<void> {
    const { clock, timeout, ask } = this.options;
    if (this.waiting === undefined) {
      if (clock.monotonic() < this.quietUntil) return;
      this.waiting = Promise.withResolvers();
      this.cancelTimer = clock.after(timeout, () => this.settle());
      ask({ wanted: 'newer' });
    }
    await this.waiting.promise;
  }

  close(): void {
    this.settle();
  }

  private settle(): void {
    this.cancelTimer?.();
    this.waiting?.resolve();
    this.waiting = undefined;
  }
}
