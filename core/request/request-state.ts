// RequestState: what the core keeps of one request. Plugins see it through ProxyContext, which lets nothing be spoiled.
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
import type { Route } from './route.ts';
import type { TlsFacts } from './tls-facts.ts';
import type { TraceContext } from './trace-context.ts';

/** How a request ended; `aborted`: the client left, or its connection was cut because the response was. */
export type Outcome = 'complete' | 'aborted';

/** Who made a response: an upstream, Weldr itself (an error or a refusal), or a plugin. */
export type ResponseSource = 'upstream' | 'weldr' | 'plugin';

/** What a condition said of a request, or why it could not say anything. */
export type ConditionResult = boolean | { readonly thrown: unknown };

/** Of the protocol that a client spoke. */
export type HttpVersion = '1.0' | '1.1' | '2.0';

/** What a request has in common with all others of its connection. */
export interface ConnectionFacts {
  /** The address that connected, no brackets; `unix:` for a client of a unix socket. Undefined: not known, in tests. */
  readonly ip?: string | undefined;
  /** Is it a proxy whose X-Forwarded-* is believed? */
  readonly trusted?: boolean | undefined;
  /** The client's port. */
  readonly port: number;
  readonly localPort: number;
  /** The name of the `listen` entry. */
  readonly listener: string;
  /** What its TLS handshake came to; undefined: it is not encrypted. */
  readonly tls?: TlsFacts | undefined;
  /** What the PROXY header said that introduced it; undefined: none did. */
  readonly proxy?: ProxyFacts | undefined;
}

const noConnection: ConnectionFacts = Object.freeze({ port: 0, localPort: 0, listener: '', tls: undefined });
const none: readonly Upstream[] = Object.freeze([]);

/** What an edit of plugins is of. */
const ofBase = 0;
const ofAttempt = 1;
const ofNothing = 2;

/** What few requests have: kept apart, as each field of the record costs every request. */
class RareState implements TimeoutRecord {
  rehearsal = false;
  upgrade: string | undefined = undefined;
  /** The client waits for a 100 before it sends the body. */
  expectContinue = false;
  /** What plugins made of the request before the first attempt. */
  base: OutgoingRequest | undefined = undefined;
  path: RequestPath | undefined = undefined;
  /** What matchers ask; made by them. */
  facts: object | undefined = undefined;
  /** What conditions of `when` said of the request. */
  conditions: Map<object, ConditionResult> | undefined = undefined;
  slots: Map<ContextSlot<unknown>, unknown> | undefined = undefined;
  notes: readonly string[] | undefined = undefined;
  aborter: AbortController | undefined = undefined;
  connectTimeout: number | undefined = undefined;
  responseTimeout: number | undefined = undefined;
  bodyTimeout: number | undefined = undefined;
  /** Bytes that the request body may have, where a plugin said so. */
  bodyLimit: number | undefined = undefined;
  requestTransforms: readonly AskedTransform[] | undefined = undefined;
  responseTransforms: readonly AskedTransform[] | undefined = undefined;
  /** Those of them that were asked for before there was a response: the others are of the response which was there. */
  earlyResponseTransforms: readonly AskedTransform[] | undefined = undefined;
  /** Those that were asked for before the attempt, which all attempts have in common. */
  baseRequestTransforms: readonly AskedTransform[] | undefined = undefined;
  baseResponseTransforms: readonly AskedTransform[] | undefined = undefined;
  /** The client's lines, where some of them must not pass as they are; without those that the wire adds. */
  cleanedHeaders: HeaderList | undefined = undefined;
  route: Route | undefined = undefined;
  /** Pools that the request has been in, once there is more than one. */
  pools: Pool[] | undefined = undefined;
  /** Attempts that are over, if there is more than one. */
  attempts: Attempt[] | undefined = undefined;
  /** The body of a response that no upstream made. */
  replyBody: string | Uint8Array = '';
  responseSource: ResponseSource = 'upstream';
  /** The plugin which made the response. */
  responsePlugin: string | undefined = undefined;
  /** The plugin which returned the last reply or retry. */
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
  /** Does the client say that it takes fields behind a body? */
  takesTrailers = false;
  connection: ConnectionFacts = noConnection;
  clientIp = '';
  scheme: 'http' | 'https' = 'http';

  // as it is to be sent
  /** Lines that the wire adds to those of the client: who the client is, and Via. */
  addedLines = '';
  /** Where edits go: to the base of all attempts, to this attempt, or nowhere as the response has left. */
  private edits: typeof ofBase | typeof ofAttempt | typeof ofNothing = ofBase;
  copy: OutgoingRequest | undefined = undefined;

  /** What log lines and other systems call the request. */
  id: string | undefined = undefined;
  /** The trace that it is a part of; undefined: no plugin has said. */
  traceContext: TraceContext | undefined = undefined;

  // where it goes
  declare pool: Pool;
  attempt: Attempt | undefined = undefined;
  tried: readonly Upstream[] = none;
  replayable = true;

  // what came back
  status = 0;
  responseHeaders: HeaderList | undefined = undefined;
  /** Bytes that the upstream announced, also where no body follows; -1: none were. */
  responseLength = -1;
  error: WeldrError | undefined = undefined;

  // the record
  declare readonly startedAt: number;
  finishedAt = 0;
  bytesIn = 0;
  bytesOut = 0;
  outcome: Outcome = 'aborted';
  /** The plugin whose tap is at work, or was the last one that was. */
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

  get route(): Route | undefined {
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

  /** What is sent in this attempt, if a plugin looked into it; undefined: what came. */
  get edited(): OutgoingRequest | undefined {
    return this.copy ?? this.rare?.base;
  }

  /** Sets a field that upstreams trust, in all attempts, in place of all spellings of it; `name` and `value` are checked. */
  setTrustedField(name: string, value: string): void {
    const field = fieldName(name);
    this.dropField(field.folded);
    this.addField(name, field.start, value);
  }

  /** The same of `traceparent`, and of `tracestate`, which goes with it; `value` is checked. */
  setTraceParent(value: string): void {
    this.dropField('traceparent');
    this.dropField('tracestate');
    this.addField('traceparent', 'traceparent: ', value);
  }

  /** Takes a field out of what upstreams get, in all attempts and all spellings; `key` in lower case, with hyphens alone. */
  private dropField(key: string): void {
    const { rare } = this;
    if (this.edits !== ofBase || rare?.base !== undefined) {
      deleteField(this.outgoing().headers, key);
    } else if ((rare?.cleanedHeaders ?? this.headers).hasSpellingOf(key)) {
      const cleaned = (rare?.cleanedHeaders ?? this.headers).clone();
      deleteField(cleaned, key);
      this.ensureRare().cleanedHeaders = cleaned;
    }
  }

  /** Adds a field that is not there, to all attempts; `start`: what its line begins with. */
  private addField(name: string, start: string, value: string): void {
    if (this.edits !== ofBase || this.rare?.base !== undefined) this.outgoing().headers.set(name, value);
    else this.addedLines += `${start}${value}\r\n`;
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

  /** Begins an attempt; `now` is of the same clock as `startedAt`. */
  beginAttempt(upstream: Upstream, now: number): void {
    this.tried = this.tried.length === 0 ? upstream.alone : Object.freeze([...this.tried, upstream]);
    this.attempt = new Attempt(upstream, now);
  }

  /** Forgets the last attempt and what it brought; the record of it stays. */
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

  /** What the attempt edited is not to be sent; what is edited next is the base of all further ones. */
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

  /** An upstream is about to be chosen: what is edited from now on is this attempt's own. */
  editAttempt(): void {
    const { rare } = this;
    if (this.edits === ofBase && rare !== undefined) {
      rare.baseRequestTransforms = rare.requestTransforms;
      rare.baseResponseTransforms = rare.responseTransforms;
    }
    this.edits = ofAttempt;
  }

  /** Has the head of the response left, so that an edit of it would come to nothing? */
  get responseLeft(): boolean {
    return this.edits === ofNothing;
  }

  /** Plugins were asked of the head for the last time. */
  leave(): void {
    this.edits = ofNothing;
    this.responseHeaders?.freeze();
  }

  /** Makes a reply what the client is to get; the list that later stages edit is a copy. */
  replaceResponse(answer: Reply, source: ResponseSource, plugin: string | undefined): void {
    this.edits = this.attempt === undefined ? ofBase : ofAttempt;
    const rare = this.ensureRare();
    this.status = answer.status;
    this.responseHeaders = answer.headers.clone();
    // The fields that go with the others, such as Content-Encoding, are gone as well.
    rare.responseTransforms = rare.earlyResponseTransforms;
    rare.responseSource = source;
    rare.replyBody = answer.body;
    rare.responsePlugin = plugin;
  }

  /** The parts that few requests have, made at the first use. */
  ensureRare(): RareState {
    this.rare ??= new RareState();
    return this.rare;
  }
}
