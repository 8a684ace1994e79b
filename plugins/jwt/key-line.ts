// KeyLine: the messages between the manager, which fetches keys, and the workers, which check with them.
import type { PublicKey } from './public-keys.ts';

/** To the manager: a worker has started, or needs a key that it does not have. */
export interface KeysWanted {
  readonly wanted: 'known' | 'newer';
}

/** To a worker. */
export interface KeysTold {
  /** The URL, so that keys from before a reload are not taken for the answer. */
  readonly url: string;
  /** Undefined: there are none. */
  readonly keys: readonly PublicKey[] | undefined;
  /** Changes when the keys change. */
  readonly edition: number;
  /** How long asking again is of no use, ms. */
  readonly quiet: number;
}
