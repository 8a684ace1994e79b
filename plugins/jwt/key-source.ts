// KeySource: the keys of a worker: from its config, or fetched by the manager.
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { KeysTold, KeysWanted } from './key-line.ts';
import type { CheckingKeys } from './verification.ts';

/** Where keys come from. */
export interface KeySource {
  /** Undefined: there are none. */
  readonly keys: CheckingKeys | undefined;
  /** Whether the keys can change. */
  readonly canRenew: boolean;
  /** Resolves when there may be other keys, within a time limit; at once if there will be none. */
  renewed(): Promise<void>;
  close(): void;
}

/** Keys from the config. */
export class FixedKeys implements KeySource {
  readonly canRenew = false;
  readonly keys: CheckingKeys;

  constructor(keys: CheckingKeys) {
    this.keys = keys;
  }

  async renewed(): Promise<void> {}

  close(): void {}
}

/** The collaborators of fetched keys. */
export interface FetchedKeysOptions {
  readonly url: string;
  readonly clock: Clock;
  /** The longest that a request waits for keys, ms. */
  readonly timeout: number;
  ask(message: KeysWanted): void;
}

/** Keys that the manager fetches. One message to it serves all waiting requests. */
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

  /** Handles a message of the manager. */
  hear({ url, keys, edition, quiet }: KeysTold): void {
    if (url !== this.options.url) return;
    if (edition !== this.edition) {
      this.edition = edition;
      this.keys = keys === undefined ? undefined : { kind: 'set', keys };
    }
    this.quietUntil = this.options.clock.monotonic() + quiet;
    // Otherwise the provider is being asked, and all workers are told when it has responded.
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
