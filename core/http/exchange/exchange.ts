// Exchange: one request and its response, between a client's stream and an upstream's.
import type { Duplex } from 'node:stream';
import { WeldrError } from '../../errors.ts';
import { ProxyContext } from '../../request/context.ts';
import { HeaderList } from '../../request/headers.ts';
import type { RequestState } from '../../request/request-state.ts';
import type { Carrier } from '../../stages/carrier.ts';
import { Pipeline } from '../../stages/pipeline.ts';
import { AttemptRelay } from './attempt-relay.ts';
import type { Waiting } from './deadlines.ts';
import type { ExchangeHome } from './exchange-home.ts';
import { grpcFields } from './grpc-reply.ts';
import { grpcTimeout } from './grpc-request.ts';
import { logAttempt, logFailure, logRefusal } from './own-responses.ts';
import { receivedState, unreadState } from './received-state.ts';
import type { BodyForm, ClientStream, InboundRequest, InboundResponse, RequestReceiver } from './streams.ts';
import type { Tunnel } from './tunnel.ts';
import { UpgradedConnection } from './upgraded-connection.ts';

const noHeaders = new HeaderList();

/** Keeps exchanges that are not in use. */
export interface ExchangeKeeper {
  /** Takes back an exchange that is over and that nothing calls any more. */
  giveBack(exchange: Exchange): void;
}

/**
 * Serves one request at a time, and the next only once nothing can call it about the previous one: see
 * {@link Exchange.release}.
 */
export class Exchange extends AttemptRelay implements Carrier, RequestReceiver, Waiting {
  /** When a gRPC client's timeout ends; 0 if it gave none. */
  deadline = 0;
  deadlineSlot = -1;
  private readonly keeper: ExchangeKeeper;
  private readonly pipeline: Pipeline;
  private ctx: ProxyContext | undefined = undefined;
  /** Whether the request entered the stages. If not, it was refused before. */
  private entered = false;
  /** The method that the client sent, even if plugins change it. */
  private askedMethod = 'GET';
  private tunnel: Tunnel | undefined = undefined;

  constructor(home: ExchangeHome, keeper: ExchangeKeeper) {
    super(home);
    this.keeper = keeper;
    this.pipeline = new Pipeline(home.pipelines, this);
  }

  /** Prepares for the next request, which comes from `client`. Called by {@link Exchanges}. */
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
    const ctx = this.take(receivedState(request, client, home));
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

  /** Limits the whole exchange, including all attempts, to the time that a gRPC client gives. */
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
    this.attempt(upstream, state);
  }

  respond(state: RequestState): void {
    const { client, response } = this;
    if (client === undefined) return;
    if (this.upgraded !== undefined) {
      this.switchProtocols(state, client, this.upgraded);
      return;
    }
    const isTransformed = response.ofUpstream(state, this.askedMethod);
    const transforms = isTransformed ? state.rare?.responseTransforms : undefined;
    if (transforms !== undefined && !this.startResponseChain(transforms)) return;
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
    const { replyBody } = state;
    const bytes = typeof replyBody === 'string' ? Buffer.from(replyBody) : replyBody;
    const sent = response.ofReply(state, headers, this.askedMethod, bytes.length);
    const transforms = sent > 0 ? state.rare?.responseTransforms : undefined;
    if (transforms !== undefined && !this.startResponseChain(transforms)) return;
    client.writeHead(response);
    if (this.responseChain !== undefined) {
      this.responding = true;
      this.transformWhole(this.responseChain, bytes);
      return;
    }
    if (sent > 0) client.writeBody(Buffer.from(bytes.buffer, bytes.byteOffset, sent), 0, sent);
    client.endBody(undefined);
    state.bytesOut += sent;
    this.complete();
  }

  /** Replies to a gRPC client, without a body. */
  private replyInGrpc(client: ClientStream, fields: HeaderList): void {
    const { response } = this;
    response.ofGrpc(fields);
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
      logAttempt(this.home.log, state, `got status ${state.status}, trying again`);
    this.dropAttempt();
  }

  protected attemptFailed(error: WeldrError): void {
    if (this.state !== undefined) logAttempt(this.home.log, this.state, 'failed', error);
    this.pipeline.attemptFailed(error);
  }

  // --- refusals ------------------------------------------------------------------------------------------------

  /**
   * Handles every error on the client's side: in heads, in bodies, timeouts. The connection continues if the protocol
   * allows.
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
      ctx = this.take(unreadState(client, this.home));
      client.readNoMore();
    }
    this.dropResponseChain();
    this.pipeline.refuse(ctx, error);
  }

  protected get isStagePending(): boolean {
    return this.pipeline.pending;
  }

  onStageTimeout(): void {
    const ms = this.home.settings.timeouts.stage;
    if (this.pipeline.pending) this.pipeline.stageTimedOut(ms);
    else this.transformTimedOut(ms);
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

  onInterim({ status, reason, headers }: InboundResponse): void {
    const { state, client } = this;
    if (state === undefined || client === undefined || client.answered) return;
    // A 100 that the client does not wait for would only confuse it.
    if (status === 100 && state.rare?.expectContinue !== true) return;
    if (!client.writeInterim(status, reason, headers)) this.upstream?.hold();
  }

  onHead(head: InboundResponse): BodyForm {
    const { state, client } = this;
    if (state === undefined || client === undefined) return 'payload';
    this.noteHead(state, head);
    this.response.note(head, client.takes);
    this.pipeline.responded();
    // A stage that is still running may ask for a transform, which needs the payload.
    if (this.judgedLate) this.response.form = 'payload';
    return this.response.form;
  }

  private noteHead(state: RequestState, { status, headers, announced }: InboundResponse): void {
    state.status = status;
    state.responseHeaders = headers;
    state.responseLength = announced ?? -1;
    state.attempt?.responded(status, performance.now());
  }

  onUpgraded(head: InboundResponse, socket: Duplex, rest: Buffer): void {
    const { state } = this;
    this.upstream = undefined;
    const upgraded = new UpgradedConnection(head, socket, rest);
    if (state === undefined || !upgraded.isOneOf(state.upgrade)) {
      upgraded.destroy();
      this.attemptFailed(
        new WeldrError('BAD_RESPONSE', 'the upstream switched to a protocol that the client did not ask for'),
      );
      return;
    }
    this.upgraded = upgraded;
    this.noteHead(state, head);
    this.pipeline.responded();
  }

  onAttemptError(error: WeldrError): void {
    this.upstream = undefined;
    if (this.state === undefined || this.client === undefined) return;
    this.bodyWanted = false;
    // Later errors of these transforms must not affect another attempt.
    this.dropRequestChain();
    // Once the head has left, or while a stage looks at it, no other upstream can be tried.
    if (this.responding || this.pipeline.pending) this.refuse(error);
    else this.attemptFailed(error);
  }

  // --- the end -------------------------------------------------------------------------------------------------

  private switchProtocols(state: RequestState, client: ClientStream, upgraded: UpgradedConnection): void {
    this.upgraded = undefined;
    client.stageDone();
    const tunnel = upgraded.join(client, state, this.home, () => {
      state.bytesIn += tunnel.bytesIn;
      state.bytesOut += tunnel.bytesOut;
      this.tunnel = undefined;
      this.endCompleted();
      client.onTunnelClosed();
    });
    this.tunnel = tunnel;
  }

  protected complete(): void {
    const { client } = this;
    this.endCompleted();
    // Last, because the client's stream may begin its next request in this call and take this exchange for it.
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
    this.home.deadlines.remove(this);
    this.dropBodies();
  }

  /**
   * Gives itself back for another request, unless an asynchronous tap is still running: its late result could be mistaken for
   * the next request's. Such an exchange is dropped, and its client's connection continues with another.
   */
  private release(): void {
    this.outgoing.clear();
    this.response.clear();
    if (this.pipeline.reusable) this.keeper.giveBack(this);
  }
}
