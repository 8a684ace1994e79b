// KeyLine: the messages between the manager, which fetches keys, and the workers, which use them.
import type { PublicKey } from './public-keys.ts';

/** To the manager: a worker has started, or needs a key that it does not have. */
export interface KeysWanted {
  readonly wanted: 'known' | 'newer';
}

/** To a worker: the current keys. */
export interface KeysTold {
  /** Where they are from: keys from before a reload must not be taken for those of another provider. */
  readonly url: string;
  /** Undefined: there are none. */
  readonly keys: readonly PublicKey[] | undefined;
  /** Changes when the keys change. */
  readonly edition: number;
  /** How long asking again is useless, ms. */
  readonly quiet: number;
}
