// Carrier: the wire below a pipeline, which carries out what the stages decided.
import type { WeldrError } from '../errors.ts';
import type { RequestState } from '../request/request-state.ts';

/** Carries one request. */
export interface Carrier {
  /** Sends the request to `state.upstream`; later calls `responded` or `attemptFailed` of the pipeline, once. */
  forward(state: RequestState): void;
  /** Sends the upstream's response with the head in `state`, and its body as it arrives; then calls `completed` or `aborted`. */
  respond(state: RequestState): void;
  /** Drops the upstream's response, if one exists, and sends `state.replyBody` with the head in `state`. */
  reply(state: RequestState): void;
  /** A tap works asynchronously in the stage that has just begun: the carrier bounds the wait with `stageTimedOut`. */
  awaitStage(): void;
  /** Drops the attempt, its connection included, because another one follows. */
  abandonAttempt(state: RequestState): void;
  /** The request failed with this error, which belongs in the log. */
  failed(state: RequestState, error: WeldrError): void;
}
