// The conformance kit for balancers: the rules that each balancer must keep, each as a named check.
import type { Plugin } from '../plugin/plugin.ts';
import { eligible, inFlight, leftBusy, retries, stillBusy, untouched } from './balancer-checks/attempts.ts';
import {
  backups,
  changes,
  emptyPool,
  flaps,
  largePool,
  noneAvailable,
  onlyAvailable,
  waiting,
} from './balancer-checks/availability.ts';
import type {
  BalancerCheck,
  BalancerCheckOptions,
  CheckDefinition,
} from './balancer-checks/balancer-check.ts';
import { atOnce, busiest, noBursts, sharesByWeight } from './balancer-checks/distribution.ts';
import { notInStep, pools, poolsApart, sticky } from './balancer-checks/isolation.ts';
import { narrowed } from './balancer-checks/narrowing.ts';
import { rehearsals } from './balancer-checks/rehearsals.ts';
import { work } from './balancer-checks/work.ts';

export type { BalancerCheck, BalancerCheckOptions };

/** The plain ones come first, so that the first failing check names the mistake best. */
const definitions: readonly CheckDefinition[] = [
  untouched,
  emptyPool,
  noneAvailable,
  onlyAvailable,
  sharesByWeight,
  noBursts,
  retries,
  changes,
  largePool,
  pools,
  poolsApart,
  waiting,
  sticky,
  atOnce,
  busiest,
  eligible,
  inFlight,
  stillBusy,
  flaps,
  backups,
  narrowed,
  leftBusy,
  notInStep,
  work,
  rehearsals,
];

/**
 * The checks of a balancer, for any test runner. Together they take well under 2 s.
 *
 * @example for (const check of balancerChecks(mine(), { distribution: 'none' })) test(check.name, check.run);
 */
export function balancerChecks(balancer: Plugin, options: BalancerCheckOptions = {}): BalancerCheck[] {
  const subject = { balancer, options };
  return definitions
    .filter(({ appliesTo }) => appliesTo?.(options) ?? true)
    .map(({ name, run }) => ({ name, run: () => run(subject) }));
}

/**
 * Runs all checks of a balancer. Rejects with an Error that names the first one that failed and what was seen:
 * `my-balancer: shares requests by weight: an upstream of weight 3 got 20 of 600 requests instead of 150.0`.
 */
export async function testBalancer(balancer: Plugin, options: BalancerCheckOptions = {}): Promise<void> {
  for (const { name, run } of balancerChecks(balancer, options)) {
    try {
      await run();
    } catch (thrown) {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new Error(`${balancer.name}: ${name}: ${why}`, { cause: thrown });
    }
  }
}
