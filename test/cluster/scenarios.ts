// All scenarios, by kind of fault.
import { etcdScenarios } from './etcd-scenarios.ts';
import { machineScenarios } from './machine-scenarios.ts';
import { networkScenarios } from './network-scenarios.ts';
import { plannedScenarios } from './planned-scenarios.ts';
import { processScenarios } from './process-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { upgradeScenarios } from './upgrade-scenarios.ts';

/** All of them. */
export const scenarios: readonly Scenario[] = [
  ...plannedScenarios,
  ...upgradeScenarios,
  ...processScenarios,
  ...machineScenarios,
  ...etcdScenarios,
  ...networkScenarios,
];
