// What the manager and its workers say to each other: plain JSON, in order, over one channel for each worker.
import type { Certificate } from '../certificates/certificate.ts';
import type { TlsMaterials } from '../certificates/listener-tls.ts';
import type { ErrorCode } from '../errors.ts';
import type { ExplainInput } from '../explain/explain-input.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { TraceWish } from '../explain/trace.ts';
import type { ListChange } from '../plugin/run-time-plugins.ts';
import type { PoolChange } from '../pool/pool-change.ts';
import type { Vantage } from '../pool/vantage.ts';
import type { ListenEntry } from '../settings/listen.ts';
import type { Overrides, Settings } from '../settings/settings.ts';
import type { Scope } from '../stages/scope.ts';
import type { ListedNames } from '../state/listed-names.ts';
import type { Row } from '../state/row.ts';
import type { ConfigRecording } from './config-source.ts';
import type { StateChanges } from './state-broadcast.ts';

/** What a worker says. */
export type WorkerMessage =
  /** The config is read, the worker sides of all plugins have started. */
  | { readonly type: 'loaded' }
  /** It accepts connections from every socket that it was given. */
  | { readonly type: 'ready' }
  /** It cannot start, for this reason; it ends next. */
  | ({ readonly type: 'failed' } & StartProblem)
  /** An upstream that drains has no request of this worker any more. */
  | { readonly type: 'idle'; readonly pool: string; readonly id: string }
  /** Its event loop turns; `requests` are those in flight. Comes all the time, from before `loaded` to the end. */
  | { readonly type: 'beat'; readonly requests: number }
  /** It takes no more connections; it ends when its requests are finished, or cut at the limit. */
  | { readonly type: 'draining' }
  /** All that was sent before this fence is in force here. */
  | { readonly type: 'applied'; readonly fence: number }
  /** What `stage-plugins` of this round asked for has started, or has not, and then nothing is left of it. */
  | { readonly type: 'staged'; readonly round: number; readonly problem?: StartProblem | undefined }
  /** What became of the request that was to be explained by this question. */
  | { readonly type: 'explained'; readonly question: number; readonly outcome: ExplainOutcome }
  /** A request that this trace is about is over. */
  | { readonly type: 'traced'; readonly trace: number; readonly explanation: Explanation }
  /** It has done what `wind-down` of this round asked for. */
  | { readonly type: 'wound-down'; readonly round: number }
  /** What of a scope's list does not start here; all of it each time. */
  | { readonly type: 'problems'; readonly scope: Scope; readonly problems: readonly string[] }
  | PluginMessage;

/**
 * Some addresses move to another node. `begin`: the next answer on each connection that came by them is the last one. `finish`: let
 * requests end, then reset what is left. `over`: they have moved; reset what is left, and go on with who comes.
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

/** What the manager says. The first message is `start`, the second `snapshot`. */
export type ManagerMessage =
  /** Read what every config needs; sent only to a worker that boots before there is a config, ahead of `start`. */
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
   * All upstreams, what operators said of kinds that plugins own, and the settings that the manager goes by, which name no
   * servers.
   */
  | {
      readonly type: 'snapshot';
      readonly revision: number;
      readonly changes: readonly PoolChange[];
      readonly rows: readonly Row[];
      /** What operators list as the plugins of pools and routes. */
      readonly lists: readonly ListChange[];
      readonly settings: Settings;
    }
  /** What changed: no request may see a part of it. */
  | (StateChanges & { readonly type: 'changes' })
  /**
   * What TLS goes by: keys of tickets, base64, by the names of listeners what they show, and what all of them show besides.
   * Again when it changes.
   */
  | {
      readonly type: 'tls';
      readonly ticketKeys: string;
      readonly materials: TlsMaterials;
      readonly others: readonly Certificate[];
    }
  /** Start the plugins that a scope needs for this list; without `names`, for the config's. They are not asked yet. */
  | {
      readonly type: 'stage-plugins';
      readonly round: number;
      readonly scope: Scope;
      readonly names?: ListedNames;
    }
  /** That list is not to be: end what was started for it. */
  | { readonly type: 'unstage-plugins'; readonly scope: Scope }
  /** Say `applied` when all that came before this is in force, what takes its time included. */
  | { readonly type: 'fence'; readonly fence: number }
  /** Run a request through the stages without sending it, and say `explained` with what plugins said of it. */
  | { readonly type: 'explain'; readonly question: number; readonly request: ExplainInput }
  /** Say `traced` of requests that these are about; all of them each time. */
  | { readonly type: 'traces'; readonly traces: readonly TraceWish[] }
  /** A listening socket; it is the handle that goes with the message. */
  | { readonly type: 'socket'; readonly address: string; readonly entry: ListenEntry }
  /** Accept connections from the sockets that were sent. `own`: where this Weldr listens beside them. */
  | { readonly type: 'listen'; readonly own: readonly string[] }
  /** Some worker has hung: watch your main thread, so that the stack of the next one that hangs is known. */
  | { readonly type: 'watch-stack' }
  /** End the connections that came by these addresses within the time, step by step, and say `wound-down` of each. */
  | {
      readonly type: 'wind-down';
      readonly round: number;
      readonly step: WindDownStep;
      readonly addresses: readonly string[];
      readonly withinMs: number;
    }
  /** Take no more connections, finish what is there within the time, then end. */
  | { readonly type: 'drain'; readonly timeoutMs: number }
  | PluginMessage;

/** From one side of a plugin to its other side. */
export interface PluginMessage {
  readonly type: 'plugin';
  readonly plugin: string;
  readonly message: unknown;
}
