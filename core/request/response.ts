// Response: the response head that a client is about to get, whether an upstream's, a plugin's or Weldr's own.
import { HeaderList } from './headers.ts';
import { isFinalStatus } from './reply.ts';
import type { RequestState, ResponseSource } from './request-state.ts';

/** The response head as the client will get it. */
export class Response {
  readonly #state: RequestState;

  constructor(state: RequestState) {
    this.#state = state;
  }

  get status(): number {
    return this.#state.status;
  }

  /**
   * Sets another final status. Throws a TypeError for one outside 200 to 599, when a protocol is switched (101), and
   * when the response is another attempt's or has left.
   */
  set status(status: number) {
    const state = this.#state;
    if (!isFinalStatus(status)) {
      throw new TypeError(`a response's status is from 200 to 599, got ${String(status)}`);
    }
    if (state.status === 101) throw new TypeError('the status of a response that switches protocols is 101');
    if (state.status === 0 || state.responseLeft) throw new TypeError('this response was sent or replaced');
    state.status = status;
  }

  /** The field lines; the wire sets framing, `Connection` and a missing `Date`. */
  get headers(): HeaderList {
    const state = this.#state;
    state.responseHeaders ??= new HeaderList();
    return state.responseHeaders;
  }

  /**
   * Bytes of the body, before transforms; -1: unknown. For a response to HEAD, and for a 304, the announced length of the body
   * that GET would get.
   */
  get bodyLength(): number {
    const { responseSource, responseLength, replyBody } = this.#state;
    if (responseSource === 'upstream') return responseLength;
    return typeof replyBody === 'string' ? Buffer.byteLength(replyBody) : replyBody.length;
  }

  get source(): ResponseSource {
    return this.#state.responseSource;
  }

  /** The plugin that made it, when `source` is `plugin`. */
  get plugin(): string | undefined {
    return this.#state.rare?.responsePlugin;
  }
}

Object.freeze(Response.prototype);
