// What plugin authors test with, exported as `weldr/testing`: both sides of a plugin without sockets or processes,
// a clock that tests turn, builders for contexts and pools, and the conformance kit for balancers.

export type { Explanation } from './explain/explanation.ts';
export {
  type BalancerCheck,
  type BalancerCheckOptions,
  balancerChecks,
  testBalancer,
} from './testing/balancer-checks.ts';
export { type ConfigRunOptions, type TestConfig, testConfig } from './testing/config-run.ts';
export { type ContextOptions, context } from './testing/context.ts';
export { FakeClock, settle } from './testing/fake-clock.ts';
export { firstAvailable } from './testing/first-available.ts';
export type { LogLine } from './testing/log-lines.ts';
export { type ManagerSideOptions, managerSide, type TestManagerSide } from './testing/manager-side.ts';
export { pool, type UpstreamInput, upstreamRecord } from './testing/pool.ts';
export type { RunResult, UpstreamAnswer } from './testing/request-run.ts';
export {
  type ExplainOptions,
  type RunOptions,
  type TestWorkerSide,
  type WorkerSideOptions,
  workerSide,
} from './testing/worker-side.ts';
