// ReceivedRequest: the request as the client sent it. Frozen before the first tap runs.
import type { HeaderList } from './headers.ts';
import type { ProxyFacts } from './proxy-facts.ts';
import type { HttpVersion, RequestState } from './request-state.ts';
import type { TlsFacts } from './tls-facts.ts';

/** The request as the client sent it; it cannot be changed. */
export class ReceivedRequest {
  readonly #state: RequestState;

  constructor(state: RequestState) {
    this.#state = state;
    state.headers.freeze();
  }

  /** The method; empty when the request was refused before it was read. */
  get method(): string {
    return this.#state.method;
  }

  /** Path and query (origin-form, RFC 9112 section 3.2.1), or `*`; empty when it was refused before it was read. */
  get target(): string {
    return this.#state.target;
  }

  /**
   * The path in normal form (RFC 3986 section 6.2.2), without the query. Servers may read the original in other ways: to
   * decide who may pass, use `when` or a matcher of `compileMatcher`, which refuse ambiguous paths.
   */
  get path(): string {
    return this.#state.path().normal;
  }

  /** `1.0`, `1.1` or `2.0`. */
  get version(): HttpVersion {
    return this.#state.version;
  }

  /** The header section, without fields that concern only the client's connection; edits throw a TypeError. */
  get headers(): HeaderList {
    return this.#state.headers;
  }

  /** Host and port of the request; empty when it names none (HTTP/1.0). */
  get host(): string {
    return this.#state.host;
  }

  /** Announced bytes of the body; 0: none, -1: chunked, unknown. */
  get bodyLength(): number {
    return this.#state.bodyLength;
  }

  /** The result of the TLS handshake with the client; undefined: its connection is not encrypted. */
  get tls(): TlsFacts | undefined {
    return this.#state.connection.tls;
  }

  /** The PROXY header that introduced the connection; undefined: there was none. */
  get proxy(): ProxyFacts | undefined {
    return this.#state.connection.proxy;
  }

  /** The protocols that the client offers to upgrade to (RFC 9110 section 7.8). */
  get upgrade(): string | undefined {
    return this.#state.upgrade;
  }
}

Object.freeze(ReceivedRequest.prototype);
