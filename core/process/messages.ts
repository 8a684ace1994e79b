// The messages between the manager and its workers: plain JSON, in order, over one channel for each worker.
import type { Certificate } from '../certificates/certificate.ts';
import type { TlsMaterials } from '../certificates/listener-tls.ts';
import type { ErrorCode } from '../errors.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { TraceWish } from '../explain/trace.ts';
import type { HoldChange, ListChange } from '../plugin/run-time-plugins.ts';
import type { PoolChange } from '../pool/pool-change.ts';
import type { Vantage } from '../pool/vantage.ts';
import type { ListenEntry } from '../settings/listen.ts';
import type { Overrides, Settings } from '../settings/settings.ts';
import type { Scope } from '../stages/scope.ts';
import type { ListedNames } from '../state/listed-names.ts';
import type { Row } from '../state/row.ts';
import type { ConfigRecording } from './config-source.ts';
import type { StateChanges } from './state-broadcast.ts';

/** From a worker. */
export type WorkerMessage =
  /** The config has been read, and the worker sides of all plugins have started. */
  | { readonly type: 'loaded' }
  /** It accepts connections from every socket that it received. */
  | { readonly type: 'ready' }
  /** It cannot start, for this reason; it ends next. */
  | ({ readonly type: 'failed' } & StartProblem)
  /** A draining upstream has no more requests of this worker. */
  | { readonly type: 'idle'; readonly pool: string; readonly id: string }
  /** Its event loop turns; `requests` are in flight. Sent regularly, from before `loaded` to the end. */
  | { readonly type: 'beat'; readonly requests: number }
  /** It takes no more connections; it ends when its requests have finished, or are cut at the limit. */
  | { readonly type: 'draining' }
  /** Everything that was sent before this fence is active here. */
  | { readonly type: 'applied'; readonly fence: number }
  /** The plugins that `stage-plugins` of this round asked for have started; with a problem: none has, and nothing is left of them. */
  | { readonly type: 'staged'; readonly round: number; readonly problem?: StartProblem | undefined }
  /** The outcome of the `explain` with this number. */
  | { readonly type: 'explained'; readonly question: number; readonly outcome: ExplainOutcome }
  /** A request that this trace follows is over. */
  | { readonly type: 'traced'; readonly trace: number; readonly explanation: Explanation }
  /** It has done the `wind-down` of this round. */
  | { readonly type: 'wound-down'; readonly round: number }
  /** The problems of a scope's list in this worker, all of them each time. */
  | { readonly type: 'problems'; readonly scope: Scope; readonly problems: readonly string[] }
  | PluginMessage;

/**
 * Some addresses move to another node. `begin`: the next answer on each connection to them is the last one. `finish`: let
 * requests end, then reset what is left. `over`: they have moved; reset what is left, and take new connections as usual.
 */
export type WindDownStep = 'begin' | 'finish' | 'over';

/** A request that was explained, or why it could not be. */
export type ExplainOutcome = { readonly explanation: Explanation } | { readonly problem: StartProblem };

/** Why something did not start. */
export interface StartProblem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly field?: string | undefined;
}

/** From the manager. The first message is `start`, the second `snapshot`. */
export type ManagerMessage =
  /** Load what every config needs; sent ahead of `start`, and only to a worker that boots before there is a config. */
  | { readonly type: 'prepare' }
  /** Load the config at this path from the recording. */
  | {
      readonly type: 'start';
      readonly worker: number;
      readonly vantage: Vantage;
      readonly config: string;
      readonly overrides: Overrides;
      readonly recording: ConfigRecording;
    }
  /**
   * All upstreams, the rows of kinds that plugins own, and the settings that the manager uses, without servers.
   */
  | {
      readonly type: 'snapshot';
      readonly revision: number;
      readonly changes: readonly PoolChange[];
      readonly rows: readonly Row[];
      /** The lists of plugins that operators set for pools and routes. */
      readonly lists: readonly ListChange[];
      /** What the manager holds; undefined: nothing. */
      readonly holds?: readonly HoldChange[] | undefined;
      readonly settings: Settings;
    }
  /** Changes that a request sees either all or none of. */
  | (StateChanges & { readonly type: 'changes' })
  /**
   * What TLS uses: keys of tickets, base64; the materials of each listener by its name; the certificates that all of them
   * also show. Sent again when it changes.
   */
  | {
      readonly type: 'tls';
      readonly ticketKeys: string;
      readonly materials: TlsMaterials;
      readonly others: readonly Certificate[];
    }
  /** Start the plugins that a scope needs for this list; without `names`, for the config's list. No request reaches them yet. */
  | {
      readonly type: 'stage-plugins';
      readonly round: number;
      readonly scope: Scope;
      readonly names?: ListedNames;
    }
  /** That list is abandoned: end what was started for it. */
  | { readonly type: 'unstage-plugins'; readonly scope: Scope }
  /** Send `applied` when everything before this is active, including what takes a while. */
  | { readonly type: 'fence'; readonly fence: number }
  /** Run a request through the stages without sending it, and send `explained` with what plugins say about it. */
  | { readonly type: 'explain'; readonly question: number; readonly request: ExplainInput }
  /** Send `traced` for the requests that these traces follow; all traces each time. */
  | { readonly type: 'traces'; readonly traces: readonly TraceWish[] }
  /** A listening socket, as the handle of the message. */
  | { readonly type: 'socket'; readonly address: string; readonly entry: ListenEntry }
  /** Accept connections from the sockets that were sent. `own`: where else this Weldr listens. */
  | { readonly type: 'listen'; readonly own: readonly string[] }
  /** A worker has hung: watch the main thread, so that the stack of the next one that hangs is known. */
  | { readonly type: 'watch-stack' }
  /** End the connections to these addresses within the time, step by step, and send `wound-down` for each step. */
  | {
      readonly type: 'wind-down';
      readonly round: number;
      readonly step: WindDownStep;
      readonly addresses: readonly string[];
      readonly withinMs: number;
    }
  /** Take no more connections, finish the requests within the time, then end. */
  | { readonly type: 'drain'; readonly timeoutMs: number }
  | PluginMessage;

/** From one side of a plugin to the other. */
export interface PluginMessage {
  readonly type: 'plugin';
  readonly plugin: string;
  readonly message: unknown;
}
