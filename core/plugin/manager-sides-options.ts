// ManagerSidesOptions: what the manager sides of a config's plugins work with.
import type { Logger } from 'pino';
import type { CertificateRegistry } from '../certificates/certificate-registry.ts';
import type { EventLog } from '../events/event-log.ts';
import type { Problems } from '../events/problems.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { RequestTraces } from '../explain/trace.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import type { Overrides } from '../settings/settings.ts';
import type { ReportPluginError } from '../stages/request-hooks.ts';
import type { Scope } from '../stages/scope.ts';
import type { Clock } from '../time/clock.ts';
import type { DefinedPlugins } from './defined-plugins.ts';
import type { ManagerKinds } from './manager-kinds.ts';
import type { MetricSums } from './metric-sums.ts';
import type { ManagerStatus } from './plugin.ts';
import type { Hold, ProblemReport } from './scope-lists.ts';
import type { Traffic } from './traffic.ts';

/** One set for all sides of a manager, made again at each reload. */
export interface ManagerSidesOptions {
  readonly pools: ManagedPools;
  readonly kinds: ManagerKinds;
  readonly certificates: CertificateRegistry;
  readonly log: Logger;
  readonly clock: Clock;
  readonly status: ManagerStatus;
  readonly overrides: Overrides;
  /** What plugins keep over reloads, by the names of their instances. */
  readonly memory: Map<string, unknown>;
  /** What plugins have counted; it outlives reloads. */
  readonly sums: MetricSums;
  /** Receives what a plugin threw in a hook. */
  readonly report: ReportPluginError;
  /** What happened, what is wrong, and what is counted; they outlive reloads. */
  readonly events: EventLog;
  readonly problems: Problems;
  readonly traffic: Traffic;
  reload(by?: string): Promise<void>;
  upgrade(): Promise<string>;
  explain(request: ExplainInput): Promise<Explanation>;
  readonly traces: RequestTraces;
  /** The plugins that lists made at run time can name; default: none. */
  readonly defined?: DefinedPlugins | undefined;
  /** Receives the problems with lists made at run time whose plugins do not all start here. */
  readonly onProblems?: ProblemReport | undefined;
  /** Receives whether requests may pass through a scope, as far as its plugins here decide that; undefined: they may. */
  onHold?(scope: Scope, hold: Hold | undefined): void;
  /** The workers that are ready for requests now; default: none. */
  readyWorkers?(): readonly number[];
  /** The workers that can receive messages. */
  workers(): readonly number[];
  send(worker: number, instance: string, message: unknown): void;
}
