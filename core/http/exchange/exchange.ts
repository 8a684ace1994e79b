// Exchange: one request and its response: a client's stream on one side, an upstream's on the other.
import type { Duplex } from 'node:stream';
import { describeError, WeldrError } from '../../errors.ts';
import { pluginErrorFacts } from '../../plugin/report-plugin-error.ts';
import type { AskedTransform } from '../../request/body-transform.ts';
import { ProxyContext } from '../../request/context.ts';
import { deleteSettled } from '../../request/field-aliases.ts';
import { HeaderList, isFieldValue } from '../../request/headers.ts';
import { RequestState } from '../../request/request-state.ts';
import { type Carrier, Pipeline } from '../../stages/pipeline.ts';
import type { ConnectionCache } from '../upstream/connection-cache.ts';
import type { StreamTaker } from '../upstream/stream-queue.ts';
import { BodyChain, transformFailure } from './body-chain.ts';
import type { Waiting } from './deadlines.ts';
import type { ExchangeHome } from './exchange-home.ts';
import { grpcFields } from './grpc-reply.ts';
import { grpcTimeout } from './grpc-request.ts';
import { OutgoingHead, type Reused, timeoutsOf } from './outgoing-head.ts';
import { logAttempt, logFailure, logRefusal } from './own-responses.ts';
import type {
  BodyForm,
  ClientStream,
  InboundRequest,
  InboundResponse,
  OutboundResponse,
  Peer,
  RequestReceiver,
  ResponseReceiver,
  UpstreamStream,
} from './streams.ts';
import { Tunnel } from './tunnel.ts';

/** Up to this many bytes, a body that came with its head leaves with it, and can be sent again. */
const smallBody = 16 * 1024;

const noHeaders = new HeaderList();

/** Keeps exchanges that are not in use. */
export interface ExchangeKeeper {
  /** Takes back an exchange which is over and which nothing calls any more. */
  giveBack(exchange: Exchange): void;
}

/**
 * Used for one request at a time, and by no other before everything that could still call it is gone: see
 * {@link Exchange.release}.
 */
export class Exchange implements Carrier, RequestReceiver, ResponseReceiver, StreamTaker, Waiting {
  /** Until when a client of gRPC waits. */
  deadline = 0;
  deadlineSlot = -1;
  private readonly home: ExchangeHome;
  private readonly keeper: ExchangeKeeper;
  private readonly pipeline: Pipeline;
  private readonly outgoing = new OutgoingHead();
  private readonly response: Reused<OutboundResponse> = {
    status: 0,
    reason: undefined,
    headers: noHeaders,
    hasDate: false,
    length: undefined,
    isAnnounced: true,
    endsWith: 'its length',
    body: 'none',
  };
  private client: ClientStream | undefined = undefined;
  private ctx: ProxyContext | undefined = undefined;
  private state: RequestState | undefined = undefined;
  /** Did the request enter the stages, or was it refused before? */
  private entered = false;
  private cache: ConnectionCache | undefined = undefined;
  private upstream: UpstreamStream | undefined = undefined;
  /** What the client sent, whatever plugins make of it. */
  private askedMethod = 'GET';
  /** How the client's stream can hand the request body on. */
  private askedForm: BodyForm = 'payload';
  /** The upstream is there and takes the request body. */
  private bodyWanted = false;
  // of the upstream's response
  private status = 0;
  private reason: string | undefined = undefined;
  private length = 0;
  private announced: number | undefined = undefined;
  private endsWith: OutboundResponse['endsWith'] = 'its length';
  private hasDate = false;
  private form: BodyForm = 'payload';
  /** The response's head is with the client's stream. */
  private responding = false;
  private judgedLate = false;
  private upgraded: { socket: Duplex; rest: Buffer; protocol: string } | undefined = undefined;
  private tunnel: Tunnel | undefined = undefined;
  /** Transforms of the bodies, where plugins asked for some. */
  private requestChain: BodyChain | undefined = undefined;
  private responseChain: BodyChain | undefined = undefined;
  /** Of a body that is still in a chain. */
  private requestTrailers: HeaderList | undefined = undefined;
  private trailers: HeaderList | undefined = undefined;

  constructor(home: ExchangeHome, keeper: ExchangeKeeper) {
    this.home = home;
    this.keeper = keeper;
    this.pipeline = new Pipeline(home.pipelines, this);
  }

  /** For {@link Exchanges}: the next request is one of `client`. */
  attach(client: ClientStream): void {
    this.client = client;
    this.askedMethod = 'GET';
    this.entered = false;
    this.bodyWanted = false;
    this.responding = false;
    this.judgedLate = false;
  }

  // --- the beginning -------------------------------------------------------------------------------------------

  begin(request: InboundRequest): void {
    const { client, home } = this;
    if (client === undefined) return;
    this.askedMethod = request.method;
    this.askedForm = request.form;
    const ctx = this.take(this.stateOf(request, client));
    if (client.isGrpc) this.limitTime(request);
    const verdict = home.admission.judge(request, client);
    if (verdict === undefined) {
      this.entered = true;
      this.pipeline.start(ctx);
    } else if (verdict instanceof WeldrError) {
      client.readNoMore();
      this.pipeline.refuse(ctx, verdict);
    } else {
      this.pipeline.replyAtOnce(ctx, verdict);
    }
  }

  private take(state: RequestState): ProxyContext {
    const ctx = new ProxyContext(state);
    this.state = state;
    this.ctx = ctx;
    return ctx;
  }

  private stateOf(request: InboundRequest, { peer }: ClientStream): RequestState {
    const { home } = this;
    const startedAt = home.deadlines.touch();
    const { method, target, version, headers } = request;
    const state = new RequestState(method, target, version, headers, home.pools.default, startedAt);
    state.host = request.host;
    state.bodyLength = request.length;
    state.takesTrailers = request.takesTrailers;
    if (request.upgrade !== undefined) state.ensureRare().upgrade = request.upgrade;
    if (request.expectContinue) state.ensureRare().expectContinue = true;
    home.forwarding.apply(state, peer, request.hasForwarding);
    return state;
  }

  /** The whole exchange, all attempts included, has the time that a client of gRPC gives. */
  private limitTime({ headers }: InboundRequest): void {
    const ms = grpcTimeout(headers.get('grpc-timeout'));
    if (ms === undefined) return;
    const { deadlines } = this.home;
    this.deadline = deadlines.in(ms);
    deadlines.add(this);
  }

  onDeadline(): void {
    this.refuse(new WeldrError('DEADLINE_EXCEEDED'));
  }

  // --- Carrier: what the pipeline decided ----------------------------------------------------------------------

  awaitStage(): void {
    if (this.upstream !== undefined) {
      this.judgedLate = true;
      this.upstream.hold();
    }
    this.client?.awaitStage();
  }

  forward(state: RequestState): void {
    const { upstream } = state;
    if (upstream === undefined) return;
    this.client?.stageDone();
    const limit = state.rare?.bodyLimit;
    if (limit !== undefined && this.client?.limitBody(limit) === false) {
      this.refuse(new WeldrError('BODY_TOO_LARGE'));
      return;
    }
    this.cache = this.home.upstreams.connectionsTo(upstream);
    this.acquireStream(state);
  }

  private acquireStream({ upgrade }: RequestState): void {
    this.cache?.acquire(this, upgrade === undefined ? 'requests' : 'upgrade');
  }

  respond(state: RequestState): void {
    const { client, response } = this;
    if (client === undefined) return;
    if (this.upgraded !== undefined) {
      this.switchProtocols(state, client, this.upgraded);
      return;
    }
    const headers = state.responseHeaders ?? noHeaders;
    const bodiless = this.askedMethod === 'HEAD' || state.status === 204 || state.status === 304;
    const transforms = state.rare?.responseTransforms;
    response.status = state.status;
    response.reason = state.status === this.status ? this.reason : undefined;
    response.headers = headers;
    response.hasDate = headers.edited ? headers.has('date') : this.hasDate;
    response.isAnnounced = this.announced !== undefined;
    response.endsWith = this.endsWith;
    if (bodiless) {
      response.body = 'none';
      response.length = state.status === 204 || transforms !== undefined ? undefined : this.announced;
    } else if (transforms === undefined || this.length === 0) {
      response.body = this.form;
      response.length = this.length >= 0 ? this.length : undefined;
    } else {
      if (!this.startResponseChain(transforms)) return;
      this.form = 'payload';
      response.body = 'payload';
      response.length = undefined;
    }
    client.writeHead(response);
    this.responding = true;
    client.stageDone();
    if (!this.judgedLate) return;
    this.judgedLate = false;
    this.upstream?.release();
    if (this.state === state) this.flushHead();
  }

  reply(state: RequestState): void {
    const { client, response } = this;
    if (client === undefined) return;
    client.stageDone();
    this.dropAttempt();
    const headers = state.responseHeaders ?? noHeaders;
    if (client.isGrpc) {
      const fields = grpcFields(state, headers);
      if (fields !== undefined) {
        this.replyInGrpc(client, fields);
        return;
      }
    }
    const { replyBody, status } = state;
    const bytes = typeof replyBody === 'string' ? Buffer.from(replyBody) : replyBody;
    const hasLength = status !== 204 && status !== 304;
    const sent = this.askedMethod !== 'HEAD' && hasLength ? bytes.length : 0;
    const wanted = bytes.length > 0 ? state.rare?.responseTransforms : undefined;
    const transforms = sent > 0 ? wanted : undefined;
    response.status = status;
    response.reason = undefined;
    response.headers = headers;
    response.hasDate = headers.has('date');
    response.isAnnounced = true;
    response.endsWith = 'its length';
    response.body = sent > 0 ? 'payload' : 'none';
    response.length = hasLength && wanted === undefined ? bytes.length : undefined;
    if (transforms !== undefined && !this.startResponseChain(transforms)) return;
    client.writeHead(response);
    if (this.responseChain !== undefined) {
      this.responding = true;
      this.responseChain.write(bytes);
      this.responseChain.end();
      this.watchResponseChain();
      return;
    }
    if (sent > 0) client.writeBody(Buffer.from(bytes.buffer, bytes.byteOffset, sent), 0, sent);
    client.endBody(undefined);
    state.bytesOut += sent;
    this.complete();
  }

  /** A reply of gRPC has no body. */
  private replyInGrpc(client: ClientStream, fields: HeaderList): void {
    const { response } = this;
    response.status = 200;
    response.reason = undefined;
    response.headers = fields;
    response.hasDate = fields.has('date');
    response.isAnnounced = false;
    response.body = 'none';
    response.length = undefined;
    client.writeHead(response);
    client.endBody(undefined);
    this.complete();
  }

  failed(state: RequestState, error: WeldrError): void {
    if (this.entered) logFailure(this.home.log, state, error);
    else logRefusal(this.home.log, state, error);
  }

  abandonAttempt(state: RequestState): void {
    if (state.error === undefined)
      logAttempt(this.home.log, state, `was answered ${state.status}, another follows`);
    this.dropAttempt();
  }

  private attemptFailed(error: WeldrError): void {
    if (this.state !== undefined) logAttempt(this.home.log, this.state, 'failed', error);
    this.pipeline.attemptFailed(error);
  }

  // --- refusals ------------------------------------------------------------------------------------------------

  /**
   * Every error of the client's side comes here: heads that were not understood, bodies, waits. The connection goes on
   * if the protocol lets it.
   */
  refuse(error: WeldrError): void {
    const { client } = this;
    if (client === undefined) return;
    if (client.answered) {
      this.abort(error);
      client.cut();
      return;
    }
    let { ctx } = this;
    if (ctx === undefined) {
      // The head was not understood: nothing is known but who sent it.
      const { deadlines, pools } = this.home;
      const state = new RequestState('', '', '1.1', new HeaderList(), pools.default, deadlines.touch());
      state.clientIp = client.peer.ip;
      state.connection = client.peer;
      state.scheme = client.peer.scheme;
      ctx = this.take(state);
      client.readNoMore();
    }
    this.responseChain?.destroy();
    this.responseChain = undefined;
    this.pipeline.refuse(ctx, error);
  }

  onStageTimeout(): void {
    const ms = this.home.settings.timeouts.stage;
    if (this.pipeline.pending) this.pipeline.stageTimedOut(ms);
    else if (this.responseChain !== undefined || this.requestChain !== undefined) {
      const chain = this.responseChain ?? this.requestChain;
      const error = transformFailure(chain?.plugin ?? '', `a body transform took over ${ms} ms`);
      if (this.responseChain === undefined) this.refuse(error);
      else this.refuseUntransformed(error);
    }
  }

  // --- StreamTaker ---------------------------------------------------------------------------------------------

  get peer(): Peer | undefined {
    return this.client?.peer;
  }

  get readiness(): StreamTaker['readiness'] {
    const { client, state } = this;
    if (client === undefined || client.bodyThere(Number.POSITIVE_INFINITY)) return 'whole';
    // A client that waits for 100 Continue sends no body before it.
    return state?.rare?.expectContinue === true || client.bodyThere(smallBody) ? 'begun' : 'awaited';
  }

  get connectTimeout(): number {
    const { timeouts } = this.home.settings;
    return this.state === undefined ? timeouts.connect : timeoutsOf(this.state, timeouts).connect;
  }

  awaitConnection(): void {
    this.state?.attempt?.connecting(performance.now());
  }

  awaitBeginning(): void {
    this.client?.gatherBody(smallBody);
  }

  takeStream(stream: UpstreamStream): void {
    const { state, client } = this;
    if (state === undefined || client === undefined) return;
    this.upstream = stream;
    const transforms = state.bodyLength === 0 ? undefined : state.rare?.requestTransforms;
    if (transforms !== undefined && !this.startRequestChain(transforms)) return;
    const body = client.takeSmallBody(smallBody);
    // What has come of the body leaves in one write with the head.
    const joined = !client.requestComplete && stream.connected;
    if (joined) stream.cork();
    const form = this.formFor(stream);
    const chain = this.requestChain;
    const head = this.outgoing.of(
      state,
      form,
      chain === undefined ? state.bodyLength : -1,
      this.home.settings.timeouts,
    );
    stream.send(head, chain === undefined ? body : undefined, this);
    state.attempt?.reuses(stream.reused);
    // One that is still being made is heard of by `onConnected`.
    if (stream.connected) state.attempt?.sent(performance.now());
    else state.attempt?.connecting(performance.now());
    if (body !== undefined) {
      state.bytesIn = body.length;
      chain?.write(body);
    }
    if (client.requestComplete) {
      if (chain === undefined) stream.endRequest(undefined);
      else {
        stream.clientSent();
        chain.end();
        this.watchRequestChain();
      }
    } else {
      this.bodyWanted = stream.connected;
      if (this.bodyWanted) client.resumeBody(form);
    }
    if (joined) stream.uncork();
  }

  private formFor(stream: UpstreamStream): BodyForm {
    return this.askedForm === 'chunks' && this.requestChain === undefined ? stream.takes : 'payload';
  }

  goWithout(error: WeldrError): void {
    this.cache = undefined;
    this.attemptFailed(error);
  }

  // --- body transforms -----------------------------------------------------------------------------------------

  /** False: they cannot be made, and the request has failed. */
  private startRequestChain(transforms: readonly AskedTransform[]): boolean {
    try {
      this.requestChain = new BodyChain(transforms, {
        onChainBytes: bytes => {
          this.chainMoved();
          if (this.upstream?.write(bytes) === false) this.requestChain?.pause();
          else this.watchRequestChain();
        },
        onChainEnd: () => {
          this.chainMoved();
          this.upstream?.endRequest(this.requestTrailers);
        },
        onChainDrain: () => {
          this.chainMoved();
          this.onDrain();
        },
        onChainError: error => this.refuse(error),
        onLateError: this.lateErrors(),
      });
      return true;
    } catch (thrown) {
      this.refuse(toWeldrError(thrown));
      return false;
    }
  }

  private startResponseChain(transforms: readonly AskedTransform[]): boolean {
    try {
      this.responseChain = new BodyChain(transforms, {
        onChainBytes: bytes => this.onTransformed(bytes),
        onChainEnd: () => {
          this.responseChain = undefined;
          this.client?.stageDone();
          this.client?.endBody(this.trailers);
          // One that ended before its input: there is no use for the rest.
          this.dropAttempt();
          this.complete();
        },
        onChainDrain: () => {
          this.client?.stageDone();
          this.upstream?.release();
        },
        onChainError: error => this.refuseUntransformed(error),
        onLateError: this.lateErrors(),
      });
      return true;
    } catch (thrown) {
      this.refuseUntransformed(toWeldrError(thrown));
      return false;
    }
  }

  /** By then the exchange may be another request's. */
  private lateErrors(): (error: WeldrError) => void {
    const { log } = this.home;
    const requestId = this.state?.id;
    return error => log.error({ requestId, ...pluginErrorFacts(error) }, error.message);
  }

  /** A transform of the response has failed: the error's own response must not meet the same end. */
  private refuseUntransformed(error: WeldrError): void {
    const { rare } = this.state ?? {};
    if (rare !== undefined) {
      rare.responseTransforms = undefined;
      rare.earlyResponseTransforms = undefined;
    }
    this.refuse(error);
  }

  private onTransformed(bytes: Buffer): void {
    const { client, state, responseChain } = this;
    if (client === undefined || state === undefined) return;
    state.bytesOut += bytes.length;
    client.stageDone();
    if (client.writeBody(bytes, 0, bytes.length)) this.watchResponseChain();
    else responseChain?.pause();
  }

  /** A transform that has all it needs has the time of a stage for its next bytes. */
  private watchResponseChain(): void {
    if (this.responseChain?.owes === true) this.client?.awaitStage();
  }

  /** A request's transform has gone on; the time of a stage or a response's transform beside it runs on. */
  private chainMoved(): void {
    if (!this.pipeline.pending && this.responseChain?.owes !== true) this.client?.stageDone();
  }

  private dropRequestChain(): void {
    this.requestChain?.destroy();
    this.requestChain = undefined;
    this.requestTrailers = undefined;
  }

  private watchRequestChain(): void {
    if (this.requestChain?.owes === true && !this.pipeline.pending && !this.responding)
      this.client?.awaitStage();
  }

  // --- RequestReceiver: the request body, from the client ------------------------------------------------------

  get wantsBody(): boolean {
    return this.bodyWanted;
  }

  onBodyThere(): void {
    if (this.state !== undefined) this.acquireStream(this.state);
  }

  onRequestBytes(bytes: Buffer | string): void {
    const { state, upstream, requestChain } = this;
    if (state === undefined || upstream === undefined) return;
    state.replayable = false;
    state.bytesIn += bytes.length;
    if (requestChain === undefined) this.bodyWanted = upstream.write(bytes);
    else {
      this.bodyWanted = requestChain.write(bytes);
      this.watchRequestChain();
    }
  }

  onRequestEnd(trailers: HeaderList | undefined): void {
    const head = trailers === undefined ? undefined : this.state?.edited?.editedHeaders;
    if (trailers !== undefined && head !== undefined) deleteSettled(trailers, head);
    if (this.requestChain === undefined) this.upstream?.endRequest(trailers);
    else {
      this.requestTrailers = trailers;
      this.upstream?.clientSent();
      this.requestChain.end();
      this.watchRequestChain();
    }
  }

  onClientDrain(): void {
    if (this.responseChain === undefined) {
      this.upstream?.release();
    } else {
      this.responseChain.resume();
      this.watchResponseChain();
      if (!this.responseChain?.owes) this.upstream?.release();
    }
  }

  abort(error: WeldrError): void {
    const { client, state } = this;
    if (client === undefined) return;
    if (this.tunnel !== undefined) {
      this.tunnel.destroy();
      return;
    }
    this.dropAttempt();
    if (state !== undefined) logFailure(this.home.log, state, error);
    this.endAborted(error);
  }

  // --- ResponseReceiver: what the upstream does ----------------------------------------------------------------

  onConnected(): void {
    this.state?.attempt?.sent(performance.now());
    this.bodyWanted = true;
    this.askForBody();
  }

  onDrain(): void {
    this.requestChain?.resume();
    this.watchRequestChain();
    if (this.bodyWanted || this.client === undefined || this.client.requestComplete) return;
    this.bodyWanted = true;
    this.askForBody();
  }

  private askForBody(): void {
    const { client, upstream } = this;
    if (client !== undefined && upstream !== undefined && !client.requestComplete)
      client.resumeBody(this.formFor(upstream));
  }

  onInterim({ status, reason, headers }: InboundResponse): void {
    const { state, client } = this;
    if (state === undefined || client === undefined || client.answered) return;
    // A 100 that the client does not wait for only confuses it.
    if (status === 100 && state.rare?.expectContinue !== true) return;
    if (!client.writeInterim(status, reason, headers)) this.upstream?.hold();
  }

  onHead(head: InboundResponse): BodyForm {
    const { state, client } = this;
    if (state === undefined || client === undefined) return 'payload';
    this.noteHead(state, head);
    this.length = head.length;
    this.announced = head.announced;
    this.endsWith = head.endsWith;
    this.hasDate = head.hasDate;
    this.form = head.form === 'chunks' ? client.takes : 'payload';
    this.pipeline.responded();
    // A stage that is still at work may ask for a transform, which needs the payload.
    if (this.judgedLate) this.form = 'payload';
    return this.form;
  }

  private noteHead(state: RequestState, { status, reason, headers, announced }: InboundResponse): void {
    state.status = status;
    state.responseHeaders = headers;
    state.responseLength = announced ?? -1;
    state.attempt?.responded(status, performance.now());
    this.status = status;
    this.reason = reason;
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    const { state, client, responseChain } = this;
    if (state === undefined || client === undefined || end === start || this.response.body === 'none') return;
    if (responseChain !== undefined) {
      if (!responseChain.write(buffer.subarray(start, end))) {
        this.upstream?.hold();
        this.watchResponseChain();
      }
      return;
    }
    state.bytesOut += end - start;
    if (!client.writeBody(buffer, start, end)) this.upstream?.hold();
  }

  onBodyLine(line: string): void {
    if (this.response.body !== 'none') this.client?.writeBodyLine(line);
  }

  onBodyEnd(trailers: HeaderList | undefined): void {
    this.upstream = undefined;
    const head = trailers === undefined ? undefined : this.state?.responseHeaders;
    if (trailers !== undefined && head !== undefined) deleteSettled(trailers, head);
    if (this.responseChain !== undefined) {
      this.trailers = trailers;
      this.responseChain.end();
      this.watchResponseChain();
      return;
    }
    this.client?.endBody(trailers);
    this.complete();
  }

  onReadEnd(): void {
    this.flushHead();
  }

  onUpgraded(head: InboundResponse, socket: Duplex, rest: Buffer): void {
    const { state } = this;
    this.upstream = undefined;
    const protocol = head.upgrade ?? '';
    const offered = state?.upgrade?.toLowerCase().split(', ') ?? [];
    if (state === undefined || !offered.includes(protocol.toLowerCase()) || !isFieldValue(protocol)) {
      socket.destroy();
      this.attemptFailed(
        new WeldrError('BAD_RESPONSE', 'the upstream switched to a protocol nobody asked for'),
      );
      return;
    }
    socket.pause();
    this.upgraded = { socket, rest, protocol };
    this.noteHead(state, head);
    this.pipeline.responded();
  }

  onAttemptError(error: WeldrError): void {
    this.upstream = undefined;
    if (this.state === undefined || this.client === undefined) return;
    this.bodyWanted = false;
    // What it fails with now is of no meaning for another attempt.
    this.dropRequestChain();
    // Behind the head, or while a stage looks at it, no other upstream can be tried.
    if (this.responding || this.pipeline.pending) this.refuse(error);
    else this.attemptFailed(error);
  }

  // --- the end -------------------------------------------------------------------------------------------------

  private flushHead(): void {
    if (this.responding && this.client?.flush() === false) this.upstream?.hold();
  }

  private switchProtocols(
    state: RequestState,
    client: ClientStream,
    upgraded: { socket: Duplex; rest: Buffer; protocol: string },
  ): void {
    this.upgraded = undefined;
    client.stageDone();
    const { socket, rest } = client.switchProtocols(
      this.reason ?? '',
      state.responseHeaders ?? noHeaders,
      upgraded.protocol,
    );
    const { deadlines, settings } = this.home;
    const tunnel = new Tunnel(socket, upgraded.socket, deadlines, settings.timeouts.tunnel, () => {
      state.bytesIn += tunnel.bytesIn;
      state.bytesOut += tunnel.bytesOut;
      this.tunnel = undefined;
      this.endCompleted();
      client.onTunnelClosed();
    });
    this.tunnel = tunnel;
    tunnel.start(rest, upgraded.rest);
  }

  private complete(): void {
    const { client } = this;
    this.endCompleted();
    // Last, as the client's stream may begin its next request in it, and that may take this exchange.
    client?.finish();
  }

  private endCompleted(): void {
    this.detach();
    this.pipeline.completed();
    this.release();
  }

  private endAborted(error: WeldrError): void {
    this.detach();
    this.pipeline.aborted(error);
    this.release();
  }

  private detach(): void {
    this.ctx = undefined;
    this.state = undefined;
    this.client = undefined;
    this.cache = undefined;
    this.bodyWanted = false;
    this.home.deadlines.remove(this);
    this.dropRequestChain();
    this.responseChain?.destroy();
    this.responseChain = undefined;
    this.trailers = undefined;
  }

  /**
   * Gives itself back for another request, unless a stage still owes an answer: nothing could tell that answer from
   * one about the next request. Such a one is dropped, and its client's connection goes on with another.
   */
  private release(): void {
    this.outgoing.clear();
    this.response.headers = noHeaders;
    if (this.pipeline.reusable) this.keeper.giveBack(this);
  }

  private dropAttempt(): void {
    this.cache?.leave(this);
    this.cache = undefined;
    this.upstream?.cancel();
    this.upstream = undefined;
    this.upgraded?.socket.destroy();
    this.upgraded = undefined;
    this.dropRequestChain();
    this.bodyWanted = false;
    this.judgedLate = false;
  }
}

function toWeldrError(thrown: unknown): WeldrError {
  return thrown instanceof WeldrError
    ? thrown
    : new WeldrError('INTERNAL', describeError(thrown), { cause: thrown });
}
