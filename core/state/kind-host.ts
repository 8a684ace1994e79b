// KindHost: a kind that changes at run time, as its owner offers it to the state.
import type { Base, Entity, Kind } from './entity.ts';
import type { Mark } from './row.ts';

/** A kind, and where its things live once they are active. */
export interface KindHost {
  readonly kind: Kind;
  /** What is below the operator's word. */
  base(key: string): Base | undefined;
  /** Called when the rows of this thing have changed: the owner brings the thing to what they say now. */
  changed(key: string, cause: Mark): void;
  /** Checks whether this may be, with everything else that exists. Throws LIMIT_REACHED, CONFLICT … */
  admit?(key: string, after: Entity | undefined, write: AdmittedWrite): void;
  /**
   * Makes ready what this needs before it is written. Resolves with how to undo it, should it not be written; undefined:
   * it needs nothing. Rejects with why it cannot be, after everything has been undone.
   */
  prepare?(key: string, after: Entity | undefined): Promise<Undo | undefined> | undefined;
  /** Does a thing of this kind which only operators define have an effect? Default: yes. */
  takesNew?(): boolean;
}

/** The facts about a write for those who admit what it makes. */
export interface AdmittedWrite {
  readonly before: Entity | undefined;
  /** Is it to be removed even where other things name it? */
  readonly force: boolean;
}

/** Takes back what was prepared for a write; does not reject. */
export type Undo = () => Promise<void>;
