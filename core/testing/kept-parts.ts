// KeptParts: the parts of a manager side in a test that stay when another side follows it, as at a reload.
import type { Logger } from 'pino';
import { CertificateRegistry } from '../certificates/certificate-registry.ts';
import { EventLog } from '../events/event-log.ts';
import { Problems } from '../events/problems.ts';
import { ManagerKinds } from '../plugin/manager-kinds.ts';
import { MetricSums } from '../plugin/metric-sums.ts';
import { RunTimePlugins } from '../plugin/run-time-plugins.ts';
import { Traffic } from '../plugin/traffic.ts';
import { ManagedPools } from '../pool/managed-pools.ts';
import { EventRecorder } from '../process/event-recorder.ts';
import { Traces } from '../process/traces.ts';
import type { EffectiveChange } from '../state/effective-change.ts';
import type { FakeClock } from './fake-clock.ts';
import { WorkerReplicas } from './worker-replicas.ts';

/** The parts of a manager that outlive its plugins. */
export interface KeptParts {
  /** The manager's own view of the pools; plugins get ManagerPools and OperatorPools. */
  readonly pools: ManagedPools;
  /** The kinds that plugins own. */
  readonly kinds: ManagerKinds;
  /** All certificates that clients are shown. */
  readonly certificates: CertificateRegistry;
  /** What happened. */
  readonly events: EventLog;
  /** What is wrong right now, as Weldr and the plugins report it. */
  readonly problems: Problems;
  /** What plugins count of requests. */
  readonly traffic: Traffic;
  /** Traces; `take` receives what workers recorded. */
  readonly traces: Traces;
  /** Records what happens in a manager as events. */
  readonly recorder: EventRecorder;
  /** What an instance keeps from one config to the next, by its name. */
  readonly memory: Map<string, unknown>;
  /** What plugins have counted. */
  readonly sums: MetricSums;
  /** The plugins of the lists of routes and pools. */
  readonly runTime: RunTimePlugins;
  /** The workers of these pools. */
  readonly workers: WorkerReplicas;
}

/** What the parts are made with. */
export interface KeptPartsOptions {
  readonly clock: FakeClock;
  readonly log: Logger;
  /** The longest that a removed server is waited for, in ms. */
  readonly drainTimeout: number;
}

/** Makes the parts of a manager that starts. */
export function keptParts({ clock, log, drainTimeout }: KeptPartsOptions): KeptParts {
  const workers = new WorkerReplicas();
  const runTime = new RunTimePlugins({ workers, log: () => log });
  const events = new EventLog(clock);
  const problems = new Problems(clock);
  const recorder = new EventRecorder({ events, problems, clock });
  const tell = (change: EffectiveChange): void => {
    const { text, ...facts } = change;
    log.info(facts, text);
    recorder.changed(pools, change);
  };
  const pools: ManagedPools = new ManagedPools({
    clock,
    drainTimeout,
    workers: () => workers.ids(),
    plugins: runTime.ofPools,
    settled: async () => {
      await runTime.settled();
      await workers.settled();
    },
    tell,
    report: ({ kind, key }, problem) => log.error({ kind, key }, `${kind} ${key}: ${problem}`),
  });
  recorder.follow(pools);
  const certificates = new CertificateRegistry({
    state: pools.state,
    clock,
    log: () => log,
    tell: change => recorder.certificate(change),
  });
  return {
    pools,
    kinds: new ManagerKinds({ pools, plugins: runTime, tell }),
    certificates,
    events,
    problems,
    traffic: new Traffic(),
    traces: new Traces({ clock, tell: () => {} }),
    recorder,
    memory: new Map<string, unknown>(),
    sums: new MetricSums(),
    runTime,
    workers,
  };
}
