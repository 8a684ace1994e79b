// What a manager and its holder process say to each other. Times are of the machine's monotonic clock, ms, which both read alike.
import type { Surrender } from '../../core/plugin/manager-hooks.ts';
import type { FloatingAddress } from './address.ts';

/** What the process is started with, as JSON in its first argument. */
export interface HolderArguments {
  readonly addresses: readonly FloatingAddress[];
  readonly interface: string;
  /** It takes the place of one that died: what that one left is kept. */
  readonly again: boolean;
}

/** From the manager. */
export type Order =
  /** Hold the addresses so that they are gone at `until` if no other order follows. */
  | {
      readonly type: 'hold';
      readonly order: number;
      readonly session: string;
      readonly until: number;
      /** Ends the leadership `session`, when the manager cannot. */
      readonly surrender: Surrender | undefined;
    }
  | { readonly type: 'release'; readonly order: number }
  /** The manager runs. */
  | { readonly type: 'alive' }
  /** Let go of everything, and end. */
  | { readonly type: 'end' };

/** How the addresses are kept from outliving their time. */
export type FenceKind = 'nft' | 'valid_lft';

/** Why addresses cannot be held on this machine, with the remedy; `field`: the option that it is about. */
export interface Refusal {
  readonly text: string;
  readonly field: string;
}

/** From the holder process. */
export type Report =
  /** It has looked at the machine; nothing else follows a refusal. */
  | { readonly type: 'ready'; readonly fence: FenceKind; readonly refusal: Refusal | undefined }
  /** An order was carried out, as far as it could be. `closed`: the session is over for good. */
  | { readonly type: 'done'; readonly order: number; readonly holding: boolean; readonly closed: boolean }
  /** The manager was silent, and this leadership is ended in its place. Said before that is tried. */
  | { readonly type: 'closed'; readonly session: string }
  | { readonly type: 'held'; readonly held: boolean }
  | { readonly type: 'complaint'; readonly text: string | undefined }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly fields: Readonly<Record<string, unknown>>;
      readonly text: string;
    };

/** Where the holder process says what happened. */
export type HolderLog = Record<
  'info' | 'warn' | 'error',
  (fields: Record<string, unknown>, text: string) => void
>;
