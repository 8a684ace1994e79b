// SlowEtcd: decides whether renewals take longer than the lease leaves time for, so that the address is not held, or flaps.
import { type ElectionTimes, safeSpan } from './election-times.ts';
import type { RoundTrip } from './round-trip.ts';

/** The proposed lease leaves this many times what a renewal takes. */
const reserve = 3;
/** Renewals that were too slow are quick enough again below this share of the limit. */
const clearly = 0.8;
/** The time for a renewal that the needs of plugins include, ms. */
const usualRenewal = 150;

/** What renewals are judged by. */
export interface SlowEtcdFacts {
  readonly times: ElectionTimes;
  /** The lease that etcd granted, ms. */
  readonly granted: number;
  /** The time that plugins need of a leadership, including a usual renewal, ms; 0: none holds anything. */
  readonly need: number;
  /** Whether renewals were too slow before; then they have to become clearly quicker. */
  readonly wasSlow: boolean;
}

/** The time that renewals take, or would take. */
export type RenewalTimes = Pick<RoundTrip, 'mean' | 'isSettled'>;

/** After this many renewals in a row without an answer, earlier ones no longer count. */
const enoughUnanswered = 8;

/** What shows how far away etcd is. */
export interface EtcdDistance {
  readonly renewals: RenewalTimes;
  /** The number of renewals in a row that were given up. */
  readonly unanswered: number;
  /** How long etcd's majority takes to confirm something. */
  readonly majority: Pick<RoundTrip, 'quickest'>;
}

/**
 * Returns what the renewals of a leader take. A renewal that was given up would have taken longer than it did: it is two questions to
 * etcd's majority.
 */
export function renewalTimes({ renewals, unanswered, majority }: EtcdDistance): RenewalTimes {
  const least = 2 * (majority.quickest ?? 0);
  if (unanswered < enoughUnanswered || least <= (renewals.mean ?? 0)) return renewals;
  return { mean: least, isSettled: true };
}

/** Returns what is wrong, with what helps; undefined: renewals are quick enough. */
export function slowness(
  renewals: RenewalTimes,
  { times, granted, need, wasSlow }: SlowEtcdFacts,
): string | undefined {
  const { mean, isSettled } = renewals;
  const holdTime = need > 0 ? need - usualRenewal : times.renew;
  const leaves = safeSpan(granted, times.holdOff) - holdTime;
  if (mean === undefined || !isSettled || mean <= leaves * (wasSlow ? clearly : 1)) return undefined;
  const enough = leaseFor(reserve * mean + holdTime, times.holdOff);
  const what = need > 0 ? 'the address cannot be held' : 'the leadership cannot be kept';
  return (
    `renewals of the lease take ${rounded(mean)} ms, and a lease of ${granted / 1000} s leaves` +
    ` ${rounded(Math.max(0, leaves))} ms: ${what}; set lease: '${enough}s' on all nodes, or bring etcd nearer`
  );
}

/** Returns the shortest lease with which a leader can be sure for `ms` that no other node acts, s: etcd grants whole seconds. */
export function leaseFor(ms: number, holdOff: number): number {
  let seconds = 1;
  while (safeSpan(seconds * 1000, holdOff) < ms && seconds < 600) seconds++;
  return seconds;
}

/** Rounds, so that the text does not change every second. */
function rounded(ms: number): number {
  return ms < 100 ? Math.round(ms / 5) * 5 : Math.round(ms / 20) * 20;
}
