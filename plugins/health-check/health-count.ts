// Counting passes and failures in a row: when a server is held to be failing, and when it is well again.
import type { HealthReport } from '../../core/pool/pool-entry.ts';

/** How one check ended. */
export interface CheckOutcome {
  readonly passed: boolean;
  /** Such as `200` or `connect ECONNREFUSED 127.0.0.1:1`. */
  readonly detail: string;
}

/** Of a server that was never checked: it is given requests. */
export const unchecked: HealthReport = {
  status: 'unknown',
  checkedAt: 0,
  detail: 'not checked yet',
  consecutiveFailures: 0,
  consecutivePasses: 0,
};

/**
 * The report after one more check at `now`. Until a server has passed once, one check decides: most that begin to run
 * are not ready yet, and there is no good record to weigh a failure against. After that, `failing` begins with the
 * `failures`th failure in a row; from there `passing` takes `passes` passes in a row, otherwise one.
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
