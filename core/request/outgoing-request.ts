// OutgoingRequest: the request as it will be sent. Edits before the first attempt are the base of all attempts; each attempt
// edits its own copy.

import { isMethod, isTarget } from '../grammar/request-line.ts';
import type { HeaderList } from './headers.ts';

/** The start of an outgoing request: the received one, or the base of the attempts. */
export interface OutgoingSource {
  readonly method: string;
  readonly target: string;
  /** Returns the caller's own list. */
  copyHeaders(): HeaderList;
  /** The value of Host. */
  readonly host: string;
  /** Whether a plugin set a Host other than the client's. */
  readonly hasOwnHost: boolean;
  /** The list, if a plugin read it. */
  readonly editedHeaders: HeaderList | undefined;
}

/**
 * Method, target, Host and fields as they will be sent. Each setter throws a TypeError for values that cannot be sent, so the
 * mistake names the plugin that made it.
 */
export class OutgoingRequest implements OutgoingSource {
  readonly #source: OutgoingSource;
  #method: string;
  #target: string;
  #headers: HeaderList | undefined = undefined;

  constructor(source: OutgoingSource) {
    this.#source = source;
    this.#method = source.method;
    this.#target = source.target;
  }

  get method(): string {
    return this.#method;
  }

  set method(method: string) {
    if (typeof method !== 'string' || !isMethod(method)) throw new TypeError(`not a method: ${show(method)}`);
    this.#method = method;
  }

  /** Path and query, or `*` with OPTIONS. */
  get target(): string {
    return this.#target;
  }

  set target(target: string) {
    if (typeof target !== 'string' || !isTarget(target)) {
      throw new TypeError(`not a request target: ${show(target)}; expected a path that begins with /`);
    }
    this.#target = target;
  }

  /** Host and port in the Host field; empty: the upstream's own. */
  get host(): string {
    return this.#headers?.get('host') ?? this.#source.host;
  }

  set host(host: string) {
    this.headers.set('Host', host);
  }

  /** The field lines to send. `Host` can be set here too, but neither doubled nor removed. */
  get headers(): HeaderList {
    this.#headers ??= this.#source.copyHeaders().guardHost();
    return this.#headers;
  }

  /** @internal Whether a plugin set a Host other than the client's. */
  get hasOwnHost(): boolean {
    return this.#source.hasOwnHost || this.host !== this.#source.host;
  }

  /** @internal */
  copyHeaders(): HeaderList {
    return this.#headers === undefined ? this.#source.copyHeaders() : this.#headers.clone();
  }

  /** @internal The list to send; undefined: no plugin read it. */
  get editedHeaders(): HeaderList | undefined {
    return this.#headers ?? this.#source.editedHeaders;
  }
}

// Otherwise the core would call a method that a plugin overwrites on an instance.
Object.freeze(OutgoingRequest.prototype);

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
