// RequestState: the core's record of one request. Plugins see it through ProxyContext, which protects it.
import type { WeldrError } from '../errors.ts';
import type { Pool, Upstream } from '../pool/pool.ts';
import { Attempt } from './attempt.ts';
import type { AskedTransform } from './body-transform.ts';
import type { ContextSlot } from './context-slot.ts';
import { deleteField } from './field-aliases.ts';
import { fieldName } from './field-name.ts';
import type { HeaderList } from './headers.ts';
import { OutgoingRequest, type OutgoingSource } from './outgoing-request.ts';
import { RequestPath } from './path.ts';
import type { ProxyFacts } from './proxy-facts.ts';
import type { Reply } from './reply.ts';
import type { TimeoutRecord } from './request-timeouts.ts';
import type { RouteFacts } from './route-facts.ts';
import type { TlsFacts } from './tls-facts.ts';
import type { TraceContext } from './trace-context.ts';

/** How a request ended; `aborted`: the client left, or its connection was cut because the upstream cut the response. */
export type Outcome = 'complete' | 'aborted';

/** Who made a response: an upstream, Weldr itself (an error or a refusal), or a plugin. */
export type ResponseSource = 'upstream' | 'weldr' | 'plugin';

/** The result of a condition for a request, or why there is none. */
export type ConditionResult = boolean | { readonly thrown: unknown };

/** The version of the protocol that a client spoke. */
export type HttpVersion = '1.0' | '1.1' | '2.0';

/** What all requests of a connection share. */
export interface ConnectionFacts {
  /**
   * The address that connected, without brackets; `unix:` for a client of a unix socket. Undefined: unknown, in tests.
   */
  readonly ip?: string | undefined;
  /** Whether it is a proxy whose X-Forwarded-* fields are believed. */
  readonly trusted?: boolean | undefined;
  /** The client's port. */
  readonly port: number;
  readonly localPort: number;
  /** The name of the `listen` entry. */
  readonly listener: string;
  /** The result of its TLS handshake; undefined: it is not encrypted. */
  readonly tls?: TlsFacts | undefined;
  /** The PROXY header that introduced it; undefined: there was none. */
  readonly proxy?: ProxyFacts | undefined;
}

const noConnection: ConnectionFacts = Object.freeze({ port: 0, localPort: 0, listener: '', tls: undefined });
const none: readonly Upstream[] = Object.freeze([]);

/** What plugins edit at the moment. */
const ofBase = 0;
const ofAttempt = 1;
const ofNothing = 2;

/** What few requests need: kept apart, because each field of the record costs every request. */
class RareState implements TimeoutRecord {
  rehearsal = false;
  upgrade: string | undefined = undefined;
  /** The client waits for a 100 before it sends the body. */
  expectContinue = false;
  /** The request as plugins edited it before the first attempt. */
  base: OutgoingRequest | undefined = undefined;
  path: RequestPath | undefined = undefined;
  /** The facts that matchers look at; made on first use. */
  facts: object | undefined = undefined;
  /** The results of conditions of `when`. */
  conditions: Map<object, ConditionResult> | undefined = undefined;
  slots: Map<ContextSlot<unknown>, unknown> | undefined = undefined;
  notes: readonly string[] | undefined = undefined;
  aborter: AbortController | undefined = undefined;
  connectTimeout: number | undefined = undefined;
  responseTimeout: number | undefined = undefined;
  bodyTimeout: number | undefined = undefined;
  /** The limit of the request body that a plugin set, bytes. */
  bodyLimit: number | undefined = undefined;
  requestTransforms: readonly AskedTransform[] | undefined = undefined;
  responseTransforms: readonly AskedTransform[] | undefined = undefined;
  /** Those added before there was a response: the others belong to the response that existed. */
  earlyResponseTransforms: readonly AskedTransform[] | undefined = undefined;
  /** Those added before the attempt, which all attempts share. */
  baseRequestTransforms: readonly AskedTransform[] | undefined = undefined;
  baseResponseTransforms: readonly AskedTransform[] | undefined = undefined;
  /** The client's lines, when some of them must not pass unchanged; without those that the wire adds. */
  cleanedHeaders: HeaderList | undefined = undefined;
  route: RouteFacts | undefined = undefined;
  /** The pools that the request was in, once there is more than one. */
  pools: Pool[] | undefined = undefined;
  /** The finished attempts, if there is more than one. */
  attempts: Attempt[] | undefined = undefined;
  /** The body of a response that no upstream made. */
  replyBody: string | Uint8Array = '';
  responseSource: ResponseSource = 'upstream';
  /** The plugin that made the response. */
  responsePlugin: string | undefined = undefined;
  /** The plugin that returned the last reply or retry. */
  repliedBy: string | undefined = undefined;
}

/** One request from its parsed head to its last byte. */
export class RequestState implements OutgoingSource {
  // as the client sent it
  declare readonly method: string;
  declare readonly target: string;
  declare readonly version: HttpVersion;
  declare readonly headers: HeaderList;
  host = '';
  bodyLength = 0;
  /** Whether the client accepts trailers. */
  takesTrailers = false;
  connection: ConnectionFacts = noConnection;
  clientIp = '';
  scheme: 'http' | 'https' = 'http';

  // as it is to be sent
  /** Lines that the wire adds to the client's: who the client is, and Via. */
  addedLines = '';
  /** Where edits go: to the base of all attempts, to this attempt, or nowhere once the response has left. */
  private edits: typeof ofBase | typeof ofAttempt | typeof ofNothing = ofBase;
  copy: OutgoingRequest | undefined = undefined;

  /** The id in log lines and other systems. */
  id: string | undefined = undefined;
  /** The trace that it belongs to; undefined: no plugin has set one. */
  traceContext: TraceContext | undefined = undefined;

  // where it goes
  declare pool: Pool;
  attempt: Attempt | undefined = undefined;
  tried: readonly Upstream[] = none;
  replayable = true;

  // what came back
  status = 0;
  responseHeaders: HeaderList | undefined = undefined;
  /** Bytes that the upstream announced, even when no body follows; -1: none were. */
  responseLength = -1;
  error: WeldrError | undefined = undefined;

  // the record
  declare readonly startedAt: number;
  finishedAt = 0;
  bytesIn = 0;
  bytesOut = 0;
  outcome: Outcome = 'aborted';
  /** The plugin whose tap runs, or ran last. */
  tap = '';

  rare: RareState | undefined = undefined;

  constructor(
    method: string,
    target: string,
    version: HttpVersion,
    headers: HeaderList,
    pool: Pool,
    startedAt: number,
  ) {
    this.method = method;
    this.target = target;
    this.version = version;
    this.headers = headers;
    this.pool = pool;
    this.startedAt = startedAt;
  }

  get upstream(): Upstream | undefined {
    return this.attempt?.upstream;
  }

  get upgrade(): string | undefined {
    return this.rare?.upgrade;
  }

  get responseSource(): ResponseSource {
    return this.rare?.responseSource ?? 'upstream';
  }

  get route(): RouteFacts | undefined {
    return this.rare?.route;
  }

  /** The body of a response that no upstream made. */
  get replyBody(): string | Uint8Array {
    return this.rare?.replyBody ?? '';
  }

  /** The path as the client sent it, for matchers. */
  path(): RequestPath {
    const rare = this.ensureRare();
    rare.path ??= new RequestPath(this.target);
    return rare.path;
  }

  /** The request as the current stage may edit it. */
  outgoing(): OutgoingRequest {
    if (this.edits === ofBase) {
      const rare = this.ensureRare();
      rare.base ??= new OutgoingRequest(this);
      return rare.base;
    }
    this.copy ??= new OutgoingRequest(this.rare?.base ?? this);
    return this.copy;
  }

  /** The request of this attempt, if a plugin read it; undefined: what was received. */
  get edited(): OutgoingRequest | undefined {
    return this.copy ?? this.rare?.base;
  }

  /**
   * Sets a field that upstreams trust, in all attempts, replacing all its spellings; `name` and `value` are checked.
   */
  setTrustedField(name: string, value: string): void {
    const field = fieldName(name);
    this.dropField(field.folded);
    this.addField(name, field.start, value);
  }

  /** The same for `traceparent`, and for `tracestate`, which belongs to it; `value` is checked. */
  setTraceParent(value: string): void {
    this.dropField('traceparent');
    this.dropField('tracestate');
    this.addField('traceparent', 'traceparent: ', value);
  }

  /** Removes a field from the request to upstreams, in all attempts and spellings; `key` in lower case, with hyphens only. */
  private dropField(key: string): void {
    const { rare, copy } = this;
    if (rare?.base !== undefined) deleteField(rare.base.headers, key);
    else if ((rare?.cleanedHeaders ?? this.headers).hasSpellingOf(key)) {
      const cleaned = (rare?.cleanedHeaders ?? this.headers).clone();
      deleteField(cleaned, key);
      this.ensureRare().cleanedHeaders = cleaned;
    }
    if (copy !== undefined) deleteField(copy.headers, key);
  }

  /** Adds a field that is absent, to all attempts; `start`: the beginning of its line. */
  private addField(name: string, start: string, value: string): void {
    const { rare, copy } = this;
    if (rare?.base !== undefined) rare.base.headers.set(name, value);
    else this.addedLines += `${start}${value}\r\n`;
    copy?.headers.set(name, value);
  }

  /** Returns the names of fields that the core added, or that a plugin set or deleted, in the request of this attempt. */
  settledNames(): readonly string[] {
    const added = this.addedLines.split('\r\n').map(line => line.slice(0, Math.max(line.indexOf(':'), 0)));
    return [...added, ...(this.edited?.editedHeaders?.settled ?? [])];
  }

  get hasOwnHost(): false {
    return false;
  }

  get editedHeaders(): undefined {
    return undefined;
  }

  copyHeaders(): HeaderList {
    const list = (this.rare?.cleanedHeaders ?? this.headers).clone();
    list.pushLines(this.addedLines);
    return list;
  }

  /** Begins an attempt; `now` uses the clock of `startedAt`. */
  beginAttempt(upstream: Upstream, now: number): void {
    this.tried = this.tried.length === 0 ? upstream.alone : Object.freeze([...this.tried, upstream]);
    this.attempt = new Attempt(upstream, now);
  }

  /** Forgets the results of the last attempt; its record stays. */
  forgetAttempt(): void {
    if (this.attempt !== undefined) {
      const rare = this.ensureRare();
      rare.attempts ??= [];
      rare.attempts.push(this.attempt);
    }
    this.attempt = undefined;
    this.forgetEdits();
    this.status = 0;
    this.responseHeaders = undefined;
    this.error = undefined;
  }

  /** Drops the edits of the attempt; later edits go to the base of all further ones. */
  forgetEdits(): void {
    const { rare } = this;
    if (this.edits === ofAttempt && rare !== undefined) {
      rare.requestTransforms = rare.baseRequestTransforms;
      rare.responseTransforms = rare.baseResponseTransforms;
      rare.earlyResponseTransforms = rare.baseResponseTransforms;
    }
    this.edits = ofBase;
    this.copy = undefined;
  }

  /** An upstream is about to be chosen: later edits are this attempt's own. */
  editAttempt(): void {
    const { rare } = this;
    if (this.edits === ofBase && rare !== undefined) {
      rare.baseRequestTransforms = rare.requestTransforms;
      rare.baseResponseTransforms = rare.responseTransforms;
    }
    this.edits = ofAttempt;
  }

  /** Whether the response head has left, so that edits would have no effect. */
  get responseLeft(): boolean {
    return this.edits === ofNothing;
  }

  /** No plugin will see the head again. */
  leave(): void {
    this.edits = ofNothing;
    this.responseHeaders?.freeze();
  }

  /** Makes a reply the client's response; later stages edit a copy of its list. */
  replaceResponse(answer: Reply, source: ResponseSource, plugin: string | undefined): void {
    this.edits = this.attempt === undefined ? ofBase : ofAttempt;
    const rare = this.ensureRare();
    this.status = answer.status;
    this.responseHeaders = answer.headers.clone();
    // Its related fields, such as Content-Encoding, are gone as well.
    rare.responseTransforms = rare.earlyResponseTransforms;
    rare.responseSource = source;
    rare.replyBody = answer.body;
    rare.responsePlugin = plugin;
  }

  /** The parts that few requests need, made on first use. */
  ensureRare(): RareState {
    this.rare ??= new RareState();
    return this.rare;
  }
}
