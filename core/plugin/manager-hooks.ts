// The hooks of the manager: workers, upstreams, leadership and the end, one documented line each.
import { AsyncSeriesHook, SyncHook } from 'tapable';
import type { Upstream, UpstreamRecord } from '../pool/pool.ts';
import type { ReportPluginError } from '../stages/request-hooks.ts';
import { guardListener } from '../stages/tap-guard.ts';

/**
 * How somebody else than the one who leads ends a leadership of this node, once what its leader held is gone: a request over HTTP to
 * any of several servers, which changes nothing when the leadership is over already.
 */
export interface Surrender {
  /** One is asked after another, such as `http://10.0.0.11:2379`. */
  readonly origins: readonly string[];
  /** For https:// origins, PEM; `servername`: the name in their certificates, when it is not that of the host. */
  readonly tls?: {
    readonly ca?: string | undefined;
    readonly cert?: string | undefined;
    readonly key?: string | undefined;
    readonly servername?: string | undefined;
  };
  /** Asked first, where it is needed: the `token` of its answer in JSON goes into `authorization`. */
  readonly login?: SurrenderRequest;
  readonly request: SurrenderRequest;
}

/** A POST with a body in JSON; any 2xx says that it was done. */
export interface SurrenderRequest {
  readonly path: string;
  readonly body: string;
}

/** What a plugin needs of the times of a leadership. */
export interface LeadershipNeed {
  /** The name of the plugin. */
  readonly by: string;
  /**
   * How long a leadership has to hold from the moment when its renewal was asked for, ms: until whatever the plugin holds is
   * gone without another renewal, with all that may be late.
   */
  readonly ms: number;
}

/** A service address that a plugin gives the leader. */
export interface ServiceAddress {
  /** Such as `10.0.0.100/24`. */
  readonly address: string;
  /** Does this node hold it now? */
  readonly held: boolean;
  /** Why not, though this node leads. */
  readonly reason?: string | undefined;
}

/** Who leads the cluster, from this node's view. */
export interface Leadership {
  /** Does this node lead? */
  readonly leading: boolean;
  /** The name of the leader, this node's own included; undefined: nobody leads. */
  readonly leader: string | undefined;
  /**
   * Until when the leadership holds without a further renewal, in ms of `performance.now()`; 0 when not leading.
   * Whatever a leader holds must be gone by then if no renewal comes. Somebody else acts sooner only when the leadership was ended by
   * `surrender`, which a plugin does for a manager that was killed or frozen.
   */
  readonly until: number;
  /** Tells this leadership from any other of this node; only when leading, and where the election has such names. */
  readonly session?: string | undefined;
  /** When the renewal was asked for that `until` counts from, in ms of `performance.now()`; only when leading. */
  readonly asked?: number | undefined;
  /** How to end this leadership in the place of a manager that cannot; undefined: there is no way. */
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
  /** May this node lead? Asked often; a tap adds to the list why it should not. */
  readonly mayLead: SyncHook<[string[]]>;
  /** What plugins need of the times of a leadership; asked before one is taken and while it is held. A tap adds to the list. */
  readonly leadershipNeeds: SyncHook<[LeadershipNeed[]]>;
  /** Which service addresses are kept here; asked often. A tap adds to the list. */
  readonly serviceAddresses: SyncHook<[ServiceAddress[]]>;
  /** Leadership was won, renewed or lost. Taps run in order; one that fails is logged and does not stop the others. */
  readonly leaderChanged: AsyncSeriesHook<[Leadership]>;
  /**
   * This node lets go of the leadership as soon as all taps are done, and leads until then, with all that it holds. Called only when
   * there is time, some tenths of a second: not when it was lost, nor when this node is not fit to lead. Behind the taps of plugins workers
   * end the connections that came by the service addresses, and no others.
   */
  readonly handingOver: AsyncSeriesHook<[]>;
  /** Files that are written to have been renamed (SIGUSR1): open them at their paths anew. */
  readonly reopenFiles: SyncHook<[]>;
  /** The process is asked to stop; taps run before workers drain, which go on as before meanwhile. */
  readonly stopping: AsyncSeriesHook<[]>;
}

/**
 * The hooks of the manager, guarded so that one plugin's failure is reported and does not stop the others. Taps are
 * named by what they call themselves.
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
