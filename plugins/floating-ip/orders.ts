// Orders: the messages between a manager and its holder process. Times are ms of the machine's monotonic clock, the same for both.
import type { Surrender } from '../../core/plugin/manager-hooks.ts';
import type { FloatingAddress } from './address.ts';

/** What the process starts with, as JSON in its first argument. */
export interface HolderArguments {
  readonly addresses: readonly FloatingAddress[];
  readonly interface: string;
  /** Whether it replaces a process that died, and keeps what that one left. */
  readonly again: boolean;
}

/** A message from the manager. */
export type Order =
  /** Hold the addresses so that they are gone at `until` unless another order follows. */
  | {
      readonly type: 'hold';
      readonly order: number;
      readonly session: string;
      readonly until: number;
      /** How to end the leadership `session` if the manager cannot. */
      readonly surrender: Surrender | undefined;
    }
  | { readonly type: 'release'; readonly order: number }
  /** The manager is running. */
  | { readonly type: 'alive' }
  /** Let go of everything, and end. */
  | { readonly type: 'end' };

/** How the addresses are kept from outliving their time. */
export type FenceKind = 'nft' | 'valid_lft';

/** Why addresses cannot be held on this machine, with the remedy; `field`: the option concerned. */
export interface Refusal {
  readonly text: string;
  readonly field: string;
}

/** A message from the holder process. */
export type Report =
  /** It has checked the machine; nothing else follows a refusal. */
  | { readonly type: 'ready'; readonly fence: FenceKind; readonly refusal: Refusal | undefined }
  /** An order was carried out, as far as possible. `closed`: the session is over for good. */
  | { readonly type: 'done'; readonly order: number; readonly holding: boolean; readonly closed: boolean }
  /** The manager was silent, so this leadership is ended in its place; sent before that is tried. */
  | { readonly type: 'closed'; readonly session: string }
  | { readonly type: 'held'; readonly held: boolean }
  | { readonly type: 'complaint'; readonly text: string | undefined }
  | {
      readonly type: 'log';
      readonly level: 'info' | 'warn' | 'error';
      readonly fields: Readonly<Record<string, unknown>>;
      readonly text: string;
    };

/** The log of the holder process. */
export type HolderLog = Record<
  'info' | 'warn' | 'error',
  (fields: Record<string, unknown>, text: string) => void
>;
