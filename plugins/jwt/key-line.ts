// KeyLine: what the manager, which fetches keys, and the workers, which check with them, say to each other.
import type { PublicKey } from './public-keys.ts';

/** To the manager: a worker has started, or needs a key that it does not have. */
export interface KeysWanted {
  readonly wanted: 'known' | 'newer';
}

/** To a worker. */
export interface KeysTold {
  /** Of what URL, so that nothing from before a reload is taken for the answer. */
  readonly url: string;
  /** Undefined: there are none. */
  readonly keys: readonly PublicKey[] | undefined;
  /** Another one when the keys are others. */
  readonly edition: number;
  /** How long it is no use to ask again, ms. */
  readonly quiet: number;
}
