// The hooks of the manager: workers, upstreams, leadership and the end, each with a line of documentation.
import { AsyncSeriesHook, SyncHook } from 'tapable';
import type { Upstream, UpstreamRecord } from '../pool/pool.ts';
import type { ReportPluginError } from '../stages/request-hooks.ts';
import { guardListener } from '../stages/tap-guard.ts';

/**
 * How a process other than the leader ends a leadership of this node, once everything that its leader held is gone: an
 * HTTP request to any of several servers, which changes nothing if the leadership is already over.
 */
export interface Surrender {
  /** Tried one after another, such as `http://10.0.0.11:2379`. */
  readonly origins: readonly string[];
  /** For https:// origins, PEM; `servername`: the name in their certificates, if it is not that of the host. */
  readonly tls?: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
    readonly servername?: string | undefined;
  };
  /** Sent first, if present: the `token` of its JSON answer goes into `authorization`. */
  readonly login?: SurrenderRequest;
  readonly request: SurrenderRequest;
}

/** A POST with a JSON body; any 2xx means success. */
export interface SurrenderRequest {
  readonly path: string;
  readonly body: string;
}

/** How long a plugin needs a leadership to hold. */
export interface LeadershipNeed {
  /** The name of the plugin. */
  readonly by: string;
  /**
   * How long a leadership must hold from the moment when its renewal was requested, ms: long enough for whatever the
   * plugin holds to be gone if no other renewal follows, including all possible delays.
   */
  readonly ms: number;
}

/** A service address that a plugin gives the leader. */
export interface ServiceAddress {
  /** Such as `10.0.0.100/24`. */
  readonly address: string;
  /** Whether this node holds it now. */
  readonly held: boolean;
  /** Why this node does not hold it, although it leads. */
  readonly reason?: string | undefined;
}

/** The leadership of the cluster, as this node sees it. */
export interface Leadership {
  /** Whether this node leads. */
  readonly leading: boolean;
  /** The name of the leader, which may be this node; undefined: no node leads. */
  readonly leader: string | undefined;
  /**
   * Until when the leadership holds without a further renewal, in ms of `performance.now()`; 0 when not leading.
   * Whatever a leader holds must be gone by then if no renewal comes. Another node acts sooner only if the leadership was ended
   * by `surrender`, which a plugin does for a manager that was killed or frozen.
   */
  readonly until: number;
  /** Identifies this leadership among all of this node; only when leading, and if the election has such names. */
  readonly session?: string | undefined;
  /** When the renewal that `until` counts from was requested, in ms of `performance.now()`; only when leading. */
  readonly asked?: number | undefined;
  /** How to end this leadership for a manager that cannot; undefined: there is no way. */
  readonly surrender?: Surrender | undefined;
}

/** The hooks of the manager. */
export interface ManagerHooks {
  /** An upstream's state changed, here or anywhere in the cluster. */
  readonly upstreamChanged: SyncHook<[Upstream, UpstreamRecord]>;
  /** A worker is ready for requests; the argument is its number. */
  readonly workerReady: SyncHook<[number]>;
  /** A worker has ended; its number. */
  readonly workerExited: SyncHook<[number]>;
  /** All workers are listening, after the start or a reload. */
  readonly listening: SyncHook<[]>;
  /** Whether this node may lead; asked often. A tap adds any reasons why it should not to the list. */
  readonly mayLead: SyncHook<[string[]]>;
  /** How long plugins need a leadership to hold; asked before one is taken and while it is held. A tap adds to the list. */
  readonly leadershipNeeds: SyncHook<[LeadershipNeed[]]>;
  /** Which service addresses are held here; asked often. A tap adds to the list. */
  readonly serviceAddresses: SyncHook<[ServiceAddress[]]>;
  /** Leadership was won, renewed or lost. Taps run in order; one that fails is logged and does not stop the others. */
  readonly leaderChanged: AsyncSeriesHook<[Leadership]>;
  /**
   * This node hands over the leadership as soon as all taps are done, and until then leads with everything that it holds.
   * Called only if there is time, some tenths of a second: not when the leadership was lost, nor when this node is unfit
   * to lead. After the taps of plugins, workers end the connections to the service addresses, and no others.
   */
  readonly handingOver: AsyncSeriesHook<[]>;
  /** Open files may have been renamed (SIGUSR1): open them again at their paths. */
  readonly reopenFiles: SyncHook<[]>;
  /** The process is asked to stop. Workers continue as before until all taps are done, and drain then. */
  readonly stopping: AsyncSeriesHook<[]>;
}

/**
 * The hooks of the manager, guarded so that one plugin's failure is reported and does not stop the others. Each tap is
 * identified by the name that it gives itself.
 */
export function createManagerHooks(report: ReportPluginError): ManagerHooks {
  const hooks: ManagerHooks = {
    upstreamChanged: new SyncHook(['upstream', 'before'], 'upstreamChanged'),
    workerReady: new SyncHook(['worker'], 'workerReady'),
    workerExited: new SyncHook(['worker'], 'workerExited'),
    listening: new SyncHook([], 'listening'),
    mayLead: new SyncHook(['objections'], 'mayLead'),
    leadershipNeeds: new SyncHook(['needs'], 'leadershipNeeds'),
    serviceAddresses: new SyncHook(['addresses'], 'serviceAddresses'),
    leaderChanged: new AsyncSeriesHook(['leadership'], 'leaderChanged'),
    reopenFiles: new SyncHook([], 'reopenFiles'),
    handingOver: new AsyncSeriesHook([], 'handingOver'),
    stopping: new AsyncSeriesHook([], 'stopping'),
  };
  for (const hook of Object.values(hooks)) guardListener(hook, { report, plugin: undefined });
  return hooks;
}
