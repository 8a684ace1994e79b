// LeaderSession: one leadership of this node, from winning the key `leader` to losing it.
import type { Surrender } from '../../core/plugin/manager-hooks.ts';
import { type ElectionTimes, safeSpan } from './election-times.ts';
import type { GrantedLease } from './leases.ts';

/** A leadership of this node: the key's revision and its lease. Never used again once the next session has begun. */
export interface LeaderSession {
  readonly lease: GrantedLease;
  /** The create revision of the key `leader`: another writer of the key gets another one. */
  readonly revision: number;
  readonly times: ElectionTimes;
  readonly surrender: Surrender | undefined;
  /** When the renewal that `until` counts from was requested, monotonic ms. */
  asked: number;
  /** This node must not act before this, monotonic ms. */
  readonly from: number;
  /** No other node acts before this, monotonic ms. */
  until: number;
  /** When it was won, ms since the epoch. */
  readonly since: number;
  /** When the last renewal that etcd confirmed was requested, monotonic ms. */
  confirmed: number;
  /** The value of `until` that etcd alone has confirmed. */
  etcdUntil: number;
  /** Whether etcd has lost the key. The promises of the others then hold the leadership until this node takes it again. */
  isRetaken: boolean;
  /** Whether its loss was counted. */
  isLost?: boolean;
}

/** Returns until when no other node can act, given a renewal requested at `from` and granted for `ttl`, monotonic ms. */
export function safeUntil({ holdOff }: ElectionTimes, from: number, ttl: number): number {
  return from + safeSpan(ttl, holdOff);
}
