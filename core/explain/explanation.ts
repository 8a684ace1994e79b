// Explanation: what plugins and Weldr said of one request, in order, as JSON has it.
import type { ToldStage } from '../stages/tap-observer.ts';

/** A field that was changed; undefined: it was not there. */
export interface Edit {
  /** Of which message. */
  readonly of: 'request' | 'response';
  /** `method`, `target`, `host`, `status`, `body limit`, `timeouts`, or `header X-Name`. */
  readonly field: string;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

/** A server that could have been chosen. */
export interface ExplainedServer {
  readonly server: string;
  readonly chosen: boolean;
  /** Could it have been given this request? */
  readonly available: boolean;
  /** Why not; or what speaks against it. */
  readonly why?: string | undefined;
  readonly weight: number;
  /** Requests that it has of this worker. */
  readonly inFlight: number;
}

/**
 * What somebody said. `passed`: it let the request pass, having edited it or not. `skipped`: it was not asked. `replied`: it made a
 * response. `routed`, `chose`, `refused` (a server), `retries`, `failed`: what these say. Weldr itself: `entered` a pool, `sends` to
 * a server what is only explained, has `sent` to it what is not.
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
  /** What it noted. */
  readonly notes?: readonly string[] | undefined;
  readonly servers?: readonly ExplainedServer[] | undefined;
  /** How many more servers there are. */
  readonly moreServers?: number | undefined;
}

/** A head that would be sent. */
export interface ExplainedHead {
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** What a server would get. */
export interface ExplainedSending extends ExplainedHead {
  readonly server: string;
  readonly method: string;
  readonly target: string;
  readonly host: string;
}

/** What a client would get. */
export interface ExplainedResponse extends ExplainedHead {
  readonly status: number;
  /** Who makes it: an upstream, Weldr, or the plugin that is named. */
  readonly by: 'upstream' | 'weldr' | 'plugin';
  readonly plugin?: string | undefined;
  /** The error that it stands for. */
  readonly code?: string | undefined;
  readonly why?: string | undefined;
}

/** What became of a request, and who said what of it. */
export interface Explanation {
  /** The number of the worker that it went through; undefined: in a test. */
  readonly worker?: number | undefined;
  readonly method: string;
  readonly url: string;
  readonly clientIp: string;
  readonly listener: string;
  readonly steps: readonly Step[];
  /** How many more steps there were. */
  readonly moreSteps?: number | undefined;
  readonly route?: string | undefined;
  readonly pool: string;
  /** The server of the last attempt. */
  readonly server?: string | undefined;
  /** What would be sent, by attempt. */
  readonly sends: readonly ExplainedSending[];
  readonly response: ExplainedResponse;
  readonly notes: readonly string[];
  readonly ms: number;
}
