// HealthCount: counts passes and failures in a row, which decide when a server is failing and when it passes again.
import type { HealthReport } from '../../core/pool/pool-entry.ts';

/** How one check ended. */
export interface CheckOutcome {
  readonly passed: boolean;
  /** Such as `200` or `connect ECONNREFUSED 127.0.0.1:1`. */
  readonly detail: string;
}

/** The report of a server that was never checked. */
export const unchecked: HealthReport = {
  status: 'unknown',
  checkedAt: 0,
  detail: 'not checked yet',
  consecutiveFailures: 0,
  consecutivePasses: 0,
};

/**
 * Returns the report after one more check at `now`. Until a server has passed once, each check decides alone: most servers
 * are not ready right after their start, and there is no good record to weigh a failure against. After that, it is `failing`
 * from the `failures`th failure in a row on, and `passing` again after `passes` passes in a row.
 */
export function count(
  before: HealthReport,
  outcome: CheckOutcome,
  thresholds: { readonly failures: number; readonly passes: number },
  now: number,
): HealthReport {
  const consecutiveFailures = outcome.passed ? 0 : before.consecutiveFailures + 1;
  const consecutivePasses = outcome.passed ? before.consecutivePasses + 1 : 0;
  const isNew = before.status === 'unknown' || before.neverPassed === true;
  const failures = isNew ? 1 : thresholds.failures;
  const passes = isNew ? 1 : thresholds.passes;
  let { status } = before;
  if (consecutiveFailures >= failures) status = 'failing';
  else if (outcome.passed && (status !== 'failing' || consecutivePasses >= passes)) status = 'passing';
  return {
    status,
    checkedAt: now,
    detail: outcome.detail,
    consecutiveFailures,
    consecutivePasses,
    ...(isNew && !outcome.passed && { neverPassed: true }),
  };
}
