// KindHost: a kind that changes at run time, as its owner offers it to the state.
import type { Base, Entity, Kind } from './entity.ts';
import type { Mark } from './row.ts';

/** A kind, and where its things live once they are active. */
export interface KindHost {
  readonly kind: Kind;
  /** The base below the operator's row. */
  base(key: string): Base | undefined;
  /** Called when the rows of this thing have changed: the owner updates the thing to match them. */
  changed(key: string, cause: Mark): void;
  /** Checks whether this is allowed, with everything else that exists. Throws LIMIT_REACHED, CONFLICT … */
  admit?(key: string, after: Entity | undefined, write: AdmittedWrite): void;
  /**
   * Prepares what this needs before it is written. Resolves with a function that undoes it, in case it is not written;
   * undefined: it needs nothing. Rejects with the reason why it is impossible, after everything has been undone.
   */
  prepare?(key: string, after: Entity | undefined): Promise<Undo | undefined> | undefined;
  /** Returns whether a thing of this kind that only operators define has an effect. Default: it has. */
  takesNew?(): boolean;
}

/** The facts about a write for the code that admits its result. */
export interface AdmittedWrite {
  readonly before: Entity | undefined;
  /** Whether it must be removed even if other things name it. */
  readonly force: boolean;
}

/** Takes back what was prepared for a write; does not reject. */
export type Undo = () => Promise<void>;
