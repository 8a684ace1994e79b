// RequestState: what the core keeps of one request. Plugins see it through ProxyContext, which lets nothing be spoiled.
import type { Duplex } from 'node:stream';
import type { WeldrError } from '../errors.ts';
import type { Pool, Upstream } from '../pool/pool.ts';
import { Attempt } from './attempt.ts';
import type { ContextSlot } from './context-slot.ts';
import type { HeaderList } from './headers.ts';
import { OutgoingRequest, type OutgoingSource } from './outgoing-request.ts';
import type { Reply } from './reply.ts';
import type { TimeoutRecord } from './request-timeouts.ts';
import type { Route } from './route.ts';

/** How a request ended; `aborted`: the client left, or its connection was cut because the response was. */
export type Outcome = 'complete' | 'aborted';

/** Who made a response: an upstream, Weldr itself (an error or a refusal), or a plugin. */
export type ResponseSource = 'upstream' | 'weldr' | 'plugin';

/** What few requests have. */
export interface RareState extends TimeoutRecord {
  slots: Map<ContextSlot<unknown>, unknown> | undefined;
  notes: readonly string[] | undefined;
  aborter: AbortController | undefined;
  requestTransforms: (() => Duplex)[] | undefined;
  responseTransforms: (() => Duplex)[] | undefined;
  /** Pools that the request has been in, when there is more than one. */
  pools: Pool[] | undefined;
}

const none: readonly Upstream[] = Object.freeze([]);

/** One request from its parsed head to its last byte. */
export class RequestState implements OutgoingSource {
  // as the client sent it
  readonly method: string;
  readonly target: string;
  readonly version: '1.0' | '1.1';
  readonly headers: HeaderList;
  host = '';
  bodyLength = 0;
  upgrade: string | undefined = undefined;
  clientIp = '';
  clientPort = 0;
  scheme: 'http' | 'https' = 'http';
  localPort = 0;
  listener = '';
  /** Is it only to be explained? */
  rehearsal = false;

  // as it is to be sent
  /** Lines that the wire adds to those of the client: who the client is, and Via. */
  addedLines = '';
  /** The client's lines, where some of them must not pass as they are; without {@link addedLines}. */
  cleanedHeaders: HeaderList | undefined = undefined;
  /** The edits of the current attempt are its own: they begin when its upstream is chosen. */
  perAttempt = false;
  base: OutgoingRequest | undefined = undefined;
  copy: OutgoingRequest | undefined = undefined;

  // where it goes
  pool: Pool;
  route: Route | undefined = undefined;
  /** The pool that was entered first. */
  entered: Pool | undefined = undefined;
  upstream: Upstream | undefined = undefined;
  attempt: Attempt | undefined = undefined;
  attempts: readonly Attempt[] = noAttempts;
  tried: readonly Upstream[] = none;
  replayable = true;

  // what came back
  status = 0;
  responseHeaders: HeaderList | undefined = undefined;
  responseSource: ResponseSource = 'weldr';
  responsePlugin: string | undefined = undefined;
  /** Were plugins asked of its head for the last time? */
  responseLeft = false;
  /** The body of a response that no upstream made. */
  replyBody: string | Uint8Array = '';
  error: WeldrError | undefined = undefined;

  // the record
  readonly startedAt: number;
  finishedAt = 0;
  bytesIn = 0;
  bytesOut = 0;
  outcome: Outcome = 'aborted';

  // for the pipeline and its guards
  /** The plugin whose asynchronous tap is at work. */
  tap = '';
  /** The plugin which returned the last reply or retry. */
  repliedBy: string | undefined = undefined;
  rare: RareState | undefined = undefined;

  constructor(
    method: string,
    target: string,
    version: '1.0' | '1.1',
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

  /** The request as the current stage may edit it. */
  outgoing(): OutgoingRequest {
    if (!this.perAttempt) {
      this.base ??= new OutgoingRequest(this);
      return this.base;
    }
    this.copy ??= new OutgoingRequest(this.base ?? this);
    return this.copy;
  }

  /** What is sent in this attempt, if a plugin looked into it; undefined: what came. */
  get edited(): OutgoingRequest | undefined {
    return this.copy ?? this.base;
  }

  /** The lines to send, as they came and with those that the wire adds, without those of the name `except`. */
  outgoingLines(except: string): string {
    return (this.cleanedHeaders ?? this.headers).toLines(except) + this.addedLines;
  }

  get hasOwnHost(): false {
    return false;
  }

  lines(): undefined {
    return undefined;
  }

  copyHeaders(): HeaderList {
    const list = (this.cleanedHeaders ?? this.headers).clone();
    list.pushLines(this.addedLines);
    return list;
  }

  /** Begins an attempt; `now` is of the same clock as `startedAt`. */
  beginAttempt(upstream: Upstream, now: number): void {
    const attempt = new Attempt(upstream, now);
    this.attempts = this.attempts.length === 0 ? [attempt] : [...this.attempts, attempt];
    this.tried = this.tried.length === 0 ? upstream.alone : Object.freeze([...this.tried, upstream]);
    this.attempt = attempt;
    this.upstream = upstream;
  }

  /** Forgets the last attempt and what it brought; the record of it stays in `attempts`. */
  forgetAttempt(): void {
    this.upstream = undefined;
    this.attempt = undefined;
    this.forgetEdits();
    this.status = 0;
    this.responseHeaders = undefined;
    this.error = undefined;
  }

  /** What the attempt edited is not to be sent; what is edited next is the base of all further ones. */
  forgetEdits(): void {
    this.perAttempt = false;
    this.copy = undefined;
  }

  /** Makes a reply what the client is to get; the list that later stages edit is a copy. */
  replaceResponse(answer: Reply, source: ResponseSource, plugin: string | undefined): void {
    this.responseLeft = false;
    this.status = answer.status;
    this.responseHeaders = answer.headers.clone();
    this.replyBody = answer.body;
    this.responseSource = source;
    this.responsePlugin = plugin;
  }

  /** The parts that few requests have, made at the first use. */
  ensureRare(): RareState {
    this.rare ??= {
      slots: undefined,
      notes: undefined,
      aborter: undefined,
      connectTimeout: undefined,
      responseTimeout: undefined,
      bodyTimeout: undefined,
      requestTransforms: undefined,
      responseTransforms: undefined,
      pools: undefined,
    };
    return this.rare;
  }
}

const noAttempts: readonly Attempt[] = Object.freeze([]);
