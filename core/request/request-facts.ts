// RequestFacts: the facts that matchers look at, as the client sent them.
import { type ProxyContext, stateOf } from './context.ts';
import type { HeaderList } from './headers.ts';
import type { MatchFacts } from './matcher.ts';
import type { RequestPath } from './path.ts';
import type { RequestState } from './request-state.ts';

/** The facts of one request, for matchers. */
export class RequestFacts implements MatchFacts {
  readonly #state: RequestState;

  private constructor(state: RequestState) {
    this.#state = state;
  }

  /** The facts of a request, made on first use. */
  static of(ctx: ProxyContext): RequestFacts {
    const state = stateOf(ctx);
    const rare = state.ensureRare();
    const known = rare.facts;
    if (known instanceof RequestFacts) return known;
    const facts = new RequestFacts(state);
    rare.facts = facts;
    return facts;
  }

  get method(): string {
    return this.#state.method;
  }

  get host(): string {
    return this.#state.host;
  }

  get path(): RequestPath {
    return this.#state.path();
  }

  get headers(): HeaderList {
    return this.#state.headers;
  }

  get clientIp(): string {
    return this.#state.clientIp;
  }

  get scheme(): string {
    return this.#state.scheme;
  }

  get listener(): string {
    return this.#state.connection.listener;
  }
}
