// Times: derives the times of a leadership from the config and, where it sets none, from what the plugins of this node need.
import type { LeadershipNeed } from '../../core/plugin/manager-hooks.ts';
import { clockDrift, type ElectionTimes } from './election-times.ts';

/** The times in the config; undefined ones follow from what plugins need. */
export type WantedTimes = { readonly [Name in keyof ElectionTimes]: ElectionTimes[Name] | undefined };

// When no plugin has reported a need: enough for one that acts within two seconds.
const usual = { lease: 2000, holdOff: 300 } as const;
const shortestHoldOff = 100;
const longestHoldOff = 300;
const shortestRenewal = 150;
/** A lease outlives this many failed renewals. */
export const renewalsInLease = 4;

/**
 * Returns the times with the shortest lease of whole seconds, as etcd grants them, that gives each plugin the time it needs; the
 * hold-off adds up to 0.3 s.
 */
export function electionTimes(wanted: WantedTimes, needs: readonly LeadershipNeed[]): ElectionTimes {
  const needed = Math.max(0, ...needs.map(({ ms }) => ms)) / (1 - clockDrift);
  const lease = wanted.lease ?? shortestLease(wanted, needs.length === 0 ? undefined : needed);
  const missing = needs.length === 0 ? usual.holdOff : Math.ceil((needed - lease) / 10) * 10;
  const holdOff = wanted.holdOff ?? Math.min(longestHoldOff, Math.max(shortestHoldOff, missing));
  const renew =
    wanted.renew ?? Math.min(lease / renewalsInLease, Math.max(shortestRenewal, Math.round(lease / 8)));
  return { lease, renew, holdOff };
}

function shortestLease(
  { renew = 0, holdOff = longestHoldOff }: WantedTimes,
  needed: number | undefined,
): number {
  const holding = needed === undefined ? usual.lease : needed - holdOff;
  return Math.max(1, Math.ceil(Math.max(holding, renewalsInLease * renew) / 1000)) * 1000;
}
