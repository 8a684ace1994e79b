// SlowEtcd: do renewals of the lease take longer than it leaves time for? Then the address is not held, or flaps.
import { type ElectionTimes, safeSpan } from './election-times.ts';
import type { RoundTrip } from './round-trip.ts';

/** A lease is proposed that leaves so many times what a renewal takes. */
const reserve = 3;
/** What is this part of what would do is enough again. */
const clearly = 0.8;
/** What needs of plugins have in them for a renewal, ms. */
const usualRenewal = 150;

/** What to judge by. */
export interface SlowEtcdFacts {
  readonly times: ElectionTimes;
  /** What etcd granted, ms. */
  readonly granted: number;
  /** What plugins need of a leadership's time, a usual renewal included, ms; 0: none holds anything. */
  readonly need: number;
  /** Were they too slow before? Then they have to be clearly quicker. */
  readonly wasSlow: boolean;
}

/** What renewals take, or would take. */
export type RenewalTimes = Pick<RoundTrip, 'mean' | 'isSettled'>;

/** So many renewals in a row without an answer say more than those before. */
const enoughUnanswered = 8;

/** What is known of how far away etcd is. */
export interface EtcdDistance {
  readonly renewals: RenewalTimes;
  /** So many renewals in a row were given up. */
  readonly unanswered: number;
  /** What etcd's majority takes to confirm something. */
  readonly majority: Pick<RoundTrip, 'quickest'>;
}

/** What the renewals of a leader take. One that is given up has not taken as long as it would have: it is two questions to etcd's majority. */
export function renewalTimes({ renewals, unanswered, majority }: EtcdDistance): RenewalTimes {
  const least = 2 * (majority.quickest ?? 0);
  if (unanswered < enoughUnanswered || least <= (renewals.mean ?? 0)) return renewals;
  return { mean: least, isSettled: true };
}

/** What is wrong, with what helps; undefined: renewals are quick enough. */
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

/** The shortest lease by which a leader can be sure for `ms` that nobody else acts: whole seconds, as etcd grants them. */
export function leaseFor(ms: number, holdOff: number): number {
  let seconds = 1;
  while (safeSpan(seconds * 1000, holdOff) < ms && seconds < 600) seconds++;
  return seconds;
}

/** So that a text which changes each second is not a new one. */
function rounded(ms: number): number {
  return ms < 100 ? Math.round(ms / 5) * 5 : Math.round(ms / 20) * 20;
}
