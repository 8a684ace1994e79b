// Explanation: what plugins and Weldr did with one request, in order, as JSON.
import type { ToldStage } from '../stages/tap-observer.ts';

/** A field that was changed; undefined: it did not exist. */
export interface Edit {
  /** The message it belongs to. */
  readonly of: 'request' | 'response';
  /** Such as `method`, `target`, `status`, `body`, `body limit`, `timeout connect` or `header X-Name`. */
  readonly field: string;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

/** A server that was a candidate. */
export interface ExplainedServer {
  readonly server: string;
  readonly chosen: boolean;
  /** Whether it could have been given this request. */
  readonly available: boolean;
  /** Why not, or what rules it out. */
  readonly why?: string | undefined;
  readonly weight: number;
  /** The requests that it has from this worker. */
  readonly inFlight: number;
}

/**
 * What a step did. `passed`: let the request pass, edited or not. `skipped`: was not asked. `replied`: made a response.
 * `routed`, `chose`, `refused` (a server), `retries`, `failed`: as the words say. For Weldr itself: `entered` a pool,
 * `sends` (a request that is only explained) or has `sent` to a server.
 */
export type Word =
  | 'passed'
  | 'skipped'
  | 'replied'
  | 'routed'
  | 'entered'
  | 'chose'
  | 'none'
  | 'refused'
  | 'retries'
  | 'sends'
  | 'sent'
  | 'failed';

/** One step on a request's way. */
export interface Step {
  readonly stage: ToldStage | 'forward';
  /** The instance of the plugin, such as `pool:api/round-robin`; `weldr` for the core. */
  readonly plugin: string;
  readonly word: Word;
  /** How long it took, ms; undefined: it did nothing. */
  readonly ms?: number | undefined;
  readonly route?: string | undefined;
  readonly pool?: string | undefined;
  readonly server?: string | undefined;
  readonly status?: number | undefined;
  readonly why?: string | undefined;
  readonly edits?: readonly Edit[] | undefined;
  /** Its notes. */
  readonly notes?: readonly string[] | undefined;
  readonly servers?: readonly ExplainedServer[] | undefined;
  /** How many servers are left out. */
  readonly moreServers?: number | undefined;
}

/** A head that would be sent. */
export interface ExplainedHead {
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What a server would receive. */
export interface ExplainedSending extends ExplainedHead {
  readonly server: string;
  readonly method: string;
  readonly target: string;
  readonly host: string;
}

/** What a client would receive. */
export interface ExplainedResponse extends ExplainedHead {
  readonly status: number;
  /** Who makes it: an upstream, Weldr, or the named plugin. */
  readonly by: 'upstream' | 'weldr' | 'plugin';
  readonly plugin?: string | undefined;
  /** The error that it stands for. */
  readonly code?: string | undefined;
  readonly why?: string | undefined;
}

/** The outcome of a request, and the steps that led to it. */
export interface Explanation {
  /** The number of its worker; undefined: in a test. */
  readonly worker?: number | undefined;
  readonly method: string;
  readonly url: string;
  readonly clientIp: string;
  readonly listener: string;
  readonly steps: readonly Step[];
  /** How many steps are left out. */
  readonly moreSteps?: number | undefined;
  readonly route?: string | undefined;
  readonly pool: string;
  /** The server of the last attempt. */
  readonly server?: string | undefined;
  /** The requests that would be sent, by attempt. */
  readonly sends: readonly ExplainedSending[];
  readonly response: ExplainedResponse;
  readonly notes: readonly string[];
  readonly ms: number;
}
