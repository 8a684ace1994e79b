// ProxyContext: one request as plugins see it, from its parsed head to its last byte. Its facts are getters over the core's
// record, so that no plugin can spoil them.
import { WeldrError } from '../errors.ts';
import { isFieldValue } from '../grammar/field-value.ts';
import type { Pool, Upstream } from '../pool/pool.ts';
import type { Attempt } from './attempt.ts';
import { type BodyTransform, withTransform } from './body-transform.ts';
import type { ContextSlot } from './context-slot.ts';
import { fieldName } from './field-name.ts';
import type { OutgoingRequest } from './outgoing-request.ts';
import { ReceivedRequest } from './received-request.ts';
import type { Outcome, RequestState } from './request-state.ts';
import { RequestTimeouts } from './request-timeouts.ts';
import { Response } from './response.ts';
import type { RouteFacts } from './route-facts.ts';
import type { TraceContext } from './trace-context.ts';

/** The most notes of one request, and characters of each. */
const maxNotes = 32;
const maxNoteLength = 256;

const requestIdForm = /^[!#-[\]-~]{1,128}$/;

/** Returns whether this is a valid request id. */
export function isRequestId(text: string): boolean {
  return requestIdForm.test(text);
}

const noNotes: readonly string[] = Object.freeze([]);

/** @internal The core's record behind a context. */
export let stateOf: (ctx: ProxyContext) => RequestState;

/** One request from its parsed head to its last byte. */
export class ProxyContext {
  readonly #state: RequestState;
  #request: ReceivedRequest | undefined = undefined;
  #response: Response | undefined = undefined;

  static {
    stateOf = ctx => ctx.#state;
  }

  /** @internal Only the core and `weldr/testing` make contexts. */
  constructor(state: RequestState) {
    this.#state = state;
  }

  // --- the request -----------------------------------------------------------------------------------------------

  /** The request as the client sent it. */
  get request(): ReceivedRequest {
    this.#request ??= new ReceivedRequest(this.#state);
    return this.#request;
  }

  /**
   * The request as it will be sent. What `request` and `route` edit is the base of all attempts; what `preProxy`
   * edits is a copy for this attempt.
   */
  get outgoing(): OutgoingRequest {
    return this.#state.outgoing();
  }

  /**
   * The client's address, without brackets; behind a trusted proxy, the one that it reported. `unix:` for a client of a
   * unix socket, which has none; `unknown` when a trusted proxy reported something that is not an address.
   */
  get clientIp(): string {
    return this.#state.clientIp;
  }

  get clientPort(): number {
    return this.#state.connection.port;
  }

  /**
   * The address that connected to Weldr, without brackets: the client's, or that of the proxy in front. `unix:` as
   * above.
   */
  get peerIp(): string {
    return this.#state.connection.ip ?? this.#state.clientIp;
  }

  /**
   * Whether the peer is a proxy that the config trusts (`forwarded.trusted`). If so, what it reports about the client is
   * believed.
   */
  get peerTrusted(): boolean {
    return this.#state.connection.trusted ?? false;
  }

  /** How the client reached the service, as far as known. */
  get scheme(): 'http' | 'https' {
    return this.#state.scheme;
  }

  /** The port that the client connected to; 0 for a unix socket. */
  get localPort(): number {
    return this.#state.connection.localPort;
  }

  /** The name of the `listen` entry that the client connected to; empty in tests. */
  get listener(): string {
    return this.#state.connection.listener;
  }

  /** The id of the request in log lines and other systems; undefined: no plugin has set one. */
  get id(): string | undefined {
    return this.#state.id;
  }

  /** The trace that the request belongs to; undefined: no plugin has set one. */
  get traceContext(): TraceContext | undefined {
    return this.#state.traceContext;
  }

  /** Whether the request is only explained. If so, nothing may be counted, stored or sent elsewhere because of it. */
  get rehearsal(): boolean {
    return this.#state.rare?.rehearsal ?? false;
  }

  // --- where it goes ---------------------------------------------------------------------------------------------

  /** The pool that upstreams are chosen from; `default` before the stage `route`. */
  get pool(): Pool {
    return this.#state.pool;
  }

  /** The route that the stage `route` chose; undefined: a pool without a route. */
  get route(): RouteFacts | undefined {
    return this.#state.route;
  }

  /** The upstream of the current attempt; at the end, of the last one. */
  get upstream(): Upstream | undefined {
    return this.#state.upstream;
  }

  /** The upstreams that were tried, including this attempt's, in order. */
  get tried(): readonly Upstream[] {
    return this.#state.tried;
  }

  /** The current attempt; at the end, the last one. */
  get attempt(): Attempt | undefined {
    return this.#state.attempt;
  }

  /** All attempts, in order. */
  get attempts(): readonly Attempt[] {
    const { rare, attempt } = this.#state;
    const earlier = rare?.attempts ?? [];
    return attempt === undefined ? [...earlier] : [...earlier, attempt];
  }

  /** Whether the whole request can be sent again, because it has no body or all of it is kept. */
  get replayable(): boolean {
    return this.#state.replayable;
  }

  // --- what came back --------------------------------------------------------------------------------------------

  /** The response that the client will get; undefined before there is one, and when an attempt has failed. */
  get response(): Response | undefined {
    if (this.#state.status === 0 || this.#state.status === 499) return undefined;
    this.#response ??= new Response(this.#state);
    return this.#response;
  }

  /** The status that the client gets or got; 0 before there is one; 499 when the client left before that. */
  get status(): number {
    return this.#state.status;
  }

  /** Why this attempt, or the whole request, failed. */
  get error(): WeldrError | undefined {
    return this.#state.error;
  }

  // --- the record ------------------------------------------------------------------------------------------------

  /** When the head had arrived, in ms of a monotonic clock (`performance.now()`). */
  get startedAt(): number {
    return this.#state.startedAt;
  }

  /** When the last byte was sent, same clock; 0 before. */
  get finishedAt(): number {
    return this.#state.finishedAt;
  }

  /** Body bytes from the client. */
  get bytesIn(): number {
    return this.#state.bytesIn;
  }

  /** Body bytes to the client. */
  get bytesOut(): number {
    return this.#state.bytesOut;
  }

  get outcome(): Outcome {
    return this.#state.outcome;
  }

  /**
   * Gives the request its id, once: 1 to 128 visible ASCII characters without quotes and backslashes. Later log lines of
   * the request carry it. `field`: the header field that carries it to upstreams, replacing what the client sent. Throws
   * a TypeError for a bad id or field name, and when the request already has an id.
   */
  identify(id: string, field?: string): void {
    const state = this.#state;
    if (typeof id !== 'string' || !isRequestId(id)) throw new TypeError(`not an id: ${show(id)}`);
    if (state.id !== undefined) throw new TypeError(`the request already has the id ${state.id}`);
    if (field !== undefined) {
      if (typeof field !== 'string' || !fieldName(field).isToken)
        throw new TypeError(`not a header name: ${show(field)}`);
      state.setTrustedField(field, id);
    }
    state.id = id;
  }

  /**
   * Makes the request part of a trace, once, and passes the trace to upstreams in all attempts. Throws a TypeError for
   * values that cannot be sent, and when the request already belongs to a trace.
   */
  joinTrace(trace: TraceContext): void {
    const state = this.#state;
    if (state.traceContext !== undefined) {
      throw new TypeError(`the request already belongs to the trace ${state.traceContext.traceId}`);
    }
    const { traceparent, continued } = trace;
    if (traceparent !== undefined) {
      if (!isFieldValue(traceparent)) throw new TypeError(`not a traceparent: ${show(traceparent)}`);
      if (continued) state.setTrustedField('traceparent', traceparent);
      else state.setTraceParent(traceparent);
    }
    state.traceContext = trace;
  }

  /** The notes of plugins, for logs and explanations. */
  get notes(): readonly string[] {
    return this.#state.rare?.notes ?? noNotes;
  }

  /** Adds a note; the first 32 are kept, 256 characters of each. */
  note(text: string): void {
    const rare = this.#state.ensureRare();
    const notes = rare.notes ?? [];
    if (notes.length < maxNotes) rare.notes = Object.freeze([...notes, String(text).slice(0, maxNoteLength)]);
  }

  // --- tools -----------------------------------------------------------------------------------------------------

  /** Aborted when the request ends in any way: for work that a plugin does on its behalf. */
  get signal(): AbortSignal {
    const rare = this.#state.ensureRare();
    if (rare.aborter === undefined) {
      rare.aborter = new AbortController();
      if (this.#state.finishedAt > 0) rare.aborter.abort();
    }
    return rare.aborter.signal;
  }

  /** The timeouts of this request; a change applies to the attempts that begin after it. */
  get timeouts(): RequestTimeouts {
    return new RequestTimeouts(this.#state.ensureRare());
  }

  /** The limit of the request body in bytes, if a plugin set one below the config's; undefined: the config's. */
  get bodyLimit(): number | undefined {
    return this.#state.rare?.bodyLimit;
  }

  /**
   * Set it before the request is forwarded. A longer body, announced or as it arrives, fails the request with 413. Throws
   * BODY_TOO_LARGE if the announced body is longer, and a TypeError for a value that is not a number of bytes.
   */
  set bodyLimit(bytes: number | undefined) {
    if (bytes !== undefined && !(Number.isInteger(bytes) && bytes >= 0)) {
      throw new TypeError(`a limit is a number of bytes, got ${String(bytes)}`);
    }
    this.#state.ensureRare().bodyLimit = bytes;
    const { bodyLength } = this.#state;
    if (bytes === undefined || bodyLength <= bytes) return;
    const text = `the request body of ${bodyLength} bytes is over the limit of ${bytes}`;
    throw new WeldrError('BODY_TOO_LARGE', text);
  }

  /**
   * Sends the request body through a transform on its way to the upstream; each attempt starts from the original bytes.
   * Call it before the request is forwarded; transforms apply in the order of the calls.
   *
   * @example ctx.transformRequest(() => createGunzip())
   */
  transformRequest(make: BodyTransform): void {
    const rare = this.#state.ensureRare();
    rare.requestTransforms = withTransform(rare.requestTransforms, make, this.#state.tap);
  }

  /**
   * Sends the response body through a transform on its way to the client, whether it is an upstream's or a reply's. Call
   * it in `postProxy` at the latest. The response is then sent without Content-Length. A transform that is added while
   * there is a response applies to that one only, not to a reply or error that replaces it.
   *
   * @example ctx.transformResponse(() => createGzip())
   */
  transformResponse(make: BodyTransform): void {
    const rare = this.#state.ensureRare();
    rare.responseTransforms = withTransform(rare.responseTransforms, make, this.#state.tap);
    if (this.#state.status === 0) rare.earlyResponseTransforms = rare.responseTransforms;
  }

  /** The value of a slot, or undefined. */
  get<T>(slot: ContextSlot<T>): T | undefined {
    // `set` is the only way to store a value, and takes only the slot's type.
    return this.#state.rare?.slots?.get(slot) as T | undefined;
  }

  set<T>(slot: ContextSlot<T>, value: T): void {
    const rare = this.#state.ensureRare();
    rare.slots ??= new Map();
    rare.slots.set(slot, value);
  }
}

Object.freeze(ProxyContext.prototype);

function show(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, maxNoteLength)) : typeof value;
}
