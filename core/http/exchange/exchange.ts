// Exchange: one request and its response: a client's stream on one side, an upstream's on the other.
import type { Duplex } from 'node:stream';
import { WeldrError } from '../../errors.ts';
import { ProxyContext, type Reply } from '../../request/context.ts';
import { HeaderList, isFieldValue } from '../../request/headers.ts';
import { type Carrier, Pipeline } from '../../request/pipeline.ts';
import type { ConnectionCache, StreamTaker } from '../upstream/connection-cache.ts';
import { errorReply, logFailure, logRefusal } from './own-responses.ts';
import type {
  BodyForm,
  ClientStream,
  OutgoingRequest,
  OutgoingResponse,
  ReceivedRequest,
  ReceivedResponse,
  RequestReceiver,
  ResponseReceiver,
  UpstreamStream,
} from './streams.ts';
import { isRequestLine } from './target.ts';
import { Tunnel } from './tunnel.ts';
import type { Wire } from './wire.ts';

/** Up to this many bytes, a body that came with its head leaves with it, and can be sent again. */
const smallBody = 16 * 1024;

const noHeaders = new HeaderList();

/** A head that an exchange gives its streams to write, and uses again for the next request. */
type Reused<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Used for one request at a time, and by no other before everything that could still call it is gone: see
 * {@link Exchange.release}.
 */
export class Exchange implements Carrier, RequestReceiver, ResponseReceiver, StreamTaker {
  private readonly wire: Wire;
  private readonly pipeline: Pipeline;
  private readonly request: Reused<OutgoingRequest> = {
    method: 'GET',
    target: '/',
    host: undefined,
    headers: noHeaders,
    length: 0,
    form: 'payload',
    upgrade: undefined,
  };
  private readonly response: Reused<OutgoingResponse> = {
    status: 0,
    reason: undefined,
    headers: noHeaders,
    hasDate: false,
    length: undefined,
    body: 'none',
  };
  private client: ClientStream | undefined = undefined;
  /** There is none for a request that was refused before the stages. */
  private ctx: ProxyContext | undefined = undefined;
  private cache: ConnectionCache | undefined = undefined;
  private upstream: UpstreamStream | undefined = undefined;
  /** What the client sent, whatever plugins make of it. */
  private askedMethod = 'GET';
  private askedTarget = '/';
  /** How the client's stream can hand the request body on. */
  private askedForm: BodyForm = 'payload';
  /** The upstream is there and takes the request body. */
  private bodyWanted = false;
  // of the upstream's response
  private status = 0;
  private reason: string | undefined = undefined;
  private length = 0;
  private announced: number | undefined = undefined;
  private hasDate = false;
  private form: BodyForm = 'payload';
  /** The response's head is with the client's stream. */
  private responding = false;
  private judgedLate = false;
  private upgraded: { socket: Duplex; rest: Buffer; protocol: string } | undefined = undefined;
  private tunnel: Tunnel | undefined = undefined;
  /** A stage was pending when the request ended: its late answer must find no other request here. */
  private spoiled = false;

  constructor(wire: Wire) {
    this.wire = wire;
    this.pipeline = new Pipeline(wire.hooks, this);
  }

  /** For {@link Exchanges}: the next request is one of `client`. */
  attach(client: ClientStream): void {
    this.client = client;
    this.askedMethod = 'GET';
    this.bodyWanted = false;
    this.responding = false;
    this.judgedLate = false;
  }

  // --- the beginning -------------------------------------------------------------------------------------------

  begin(request: ReceivedRequest): void {
    const { client, wire } = this;
    if (client === undefined) return;
    this.askedMethod = request.method;
    this.askedTarget = request.target;
    this.askedForm = request.form;
    const verdict = wire.admission.judge(request, client);
    if (verdict instanceof WeldrError) {
      this.refuse(verdict);
    } else if (verdict !== undefined) {
      this.sendOwn(client, verdict);
      this.complete();
    } else {
      const ctx = this.contextOf(request, client);
      this.ctx = ctx;
      this.pipeline.start(ctx);
      this.awaitStage(ctx);
    }
  }

  private contextOf(request: ReceivedRequest, { peer }: ClientStream): ProxyContext {
    const { wire } = this;
    const startedAt = wire.deadlines.touch();
    const { method, target, version, headers } = request;
    const ctx = new ProxyContext(method, target, version, headers, wire.pools.default, startedAt);
    ctx.host = request.host;
    ctx.bodyLength = request.length;
    ctx.upgrade = request.upgrade;
    ctx.localPort = Number(peer.localPort);
    wire.forwarding.apply(ctx, peer, request.hasForwarding);
    return ctx;
  }

  /** Limits the time of a stage that works asynchronously. `ctx`: of the request that was in hand, if it still is. */
  private awaitStage(ctx: ProxyContext): boolean {
    const waits = this.ctx === ctx && this.pipeline.pending;
    if (waits) this.client?.awaitStage();
    return waits;
  }

  // --- Carrier: what the pipeline decided ----------------------------------------------------------------------

  forward(ctx: ProxyContext): void {
    const { upstream } = ctx;
    if (upstream === undefined) return;
    this.client?.stageDone();
    const edited = ctx.method !== this.askedMethod || ctx.target !== this.askedTarget;
    if (edited && !isRequestLine(ctx.method, ctx.target)) {
      const line = JSON.stringify(`${ctx.method} ${ctx.target}`);
      this.pipeline.attemptFailed(
        new WeldrError('PLUGIN_FAILED', `a plugin made a request line that cannot be sent: ${line}`),
      );
      return;
    }
    this.cache = this.wire.upstreams.connectionsTo(upstream);
    this.cache.acquire(this, ctx.upgrade === undefined ? 'requests' : 'upgrade');
  }

  respond(ctx: ProxyContext): void {
    const { client, response } = this;
    if (client === undefined || (ctx.status !== this.status && !this.acceptStatus(ctx))) return;
    if (this.upgraded !== undefined) {
      this.switchProtocols(ctx, client, this.upgraded);
      return;
    }
    response.status = ctx.status;
    response.reason = this.reason;
    response.headers = ctx.responseHeaders;
    response.hasDate = this.hasDate;
    if (this.askedMethod === 'HEAD' || ctx.status === 204 || ctx.status === 304) {
      response.body = 'none';
      response.length = ctx.status === 204 ? undefined : this.announced;
    } else {
      response.body = this.form;
      response.length = this.length >= 0 ? this.length : undefined;
    }
    client.writeHead(response);
    this.responding = true;
    client.stageDone();
    if (!this.judgedLate) return;
    this.judgedLate = false;
    this.upstream?.release();
    if (this.ctx === ctx) this.flushHead();
  }

  reply(ctx: ProxyContext, answer: Reply): void {
    const { client } = this;
    if (client === undefined) return;
    client.stageDone();
    this.dropAttempt();
    ctx.bytesOut += this.sendOwn(client, answer);
    this.complete();
  }

  replyError(ctx: ProxyContext, error: WeldrError): void {
    logFailure(this.wire.log, ctx, error);
    this.reply(ctx, errorReply(error));
  }

  abandonAttempt(): void {
    this.dropAttempt();
  }

  /** Takes a status that a plugin set; false: it cannot be sent, and the client was told so. */
  private acceptStatus(ctx: ProxyContext): boolean {
    const { status } = ctx;
    if (this.upgraded === undefined && Number.isInteger(status) && status >= 200 && status <= 599) {
      this.reason = undefined;
      return true;
    }
    this.refuse(new WeldrError('PLUGIN_FAILED', `a plugin set a status that cannot be sent: ${status}`));
    return false;
  }

  // --- refusals and replies ------------------------------------------------------------------------------------

  /**
   * Every error that Weldr itself answers a request with comes here or from the pipeline: heads that were not
   * understood, requests that were not admitted, bodies, waits. The connection goes on if the protocol lets it.
   */
  refuse(error: WeldrError): void {
    const { client, ctx } = this;
    if (client === undefined) return;
    if (client.answered) {
      this.abort(error);
      client.cut();
    } else if (ctx === undefined) {
      logRefusal(this.wire.log, client.peer.ip, error);
      client.readNoMore();
      this.sendOwn(client, errorReply(error));
      this.complete();
    } else {
      this.spoiled ||= this.pipeline.pending;
      ctx.error = error;
      ctx.status = error.status;
      this.replyError(ctx, error);
    }
  }

  onStageTimeout(): void {
    this.refuse(new WeldrError('PLUGIN_FAILED', `a stage took over ${this.wire.settings.timeouts.stage} ms`));
  }

  /** Sends a response of Weldr's own, whole; returns the bytes of its body. */
  private sendOwn(client: ClientStream, { status, headers, body }: Reply): number {
    const { response } = this;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const hasLength = status !== 204 && status !== 304;
    const sent = this.askedMethod !== 'HEAD' && hasLength ? bytes.length : 0;
    response.status = status;
    response.reason = undefined;
    response.headers = headers;
    response.hasDate = headers.has('date');
    response.body = sent > 0 ? 'payload' : 'none';
    response.length = hasLength ? bytes.length : undefined;
    client.writeHead(response);
    if (sent > 0) client.writeBody(Buffer.from(bytes.buffer, bytes.byteOffset, sent), 0, sent);
    client.flush();
    return sent;
  }

  // --- StreamTaker ---------------------------------------------------------------------------------------------

  takeStream(stream: UpstreamStream): void {
    const { ctx, client } = this;
    if (ctx === undefined || client === undefined) return;
    this.upstream = stream;
    const body = client.takeSmallBody(smallBody);
    // What has come of the body leaves in one write with the head.
    const joined = !client.requestComplete && stream.connected;
    if (joined) stream.cork();
    const form = this.formFor(stream);
    stream.send(this.outgoing(ctx, form), body, this);
    ctx.reusedConnection = stream.reused;
    if (body !== undefined) ctx.bytesIn = body.length;
    if (client.requestComplete) {
      stream.endRequest(undefined);
    } else {
      this.bodyWanted = stream.connected;
      if (this.bodyWanted) client.resumeBody(form);
    }
    if (joined) stream.uncork();
  }

  private formFor(stream: UpstreamStream): BodyForm {
    return this.askedForm === 'chunks' ? stream.takes : 'payload';
  }

  private outgoing(ctx: ProxyContext, form: BodyForm): OutgoingRequest {
    const { request } = this;
    const { upstream } = ctx;
    request.method = ctx.method;
    request.target = ctx.target;
    request.host =
      upstream !== undefined && (upstream.record.mapHost || ctx.host === '') ? upstream.authority : undefined;
    request.headers = ctx.headers;
    request.length = ctx.bodyLength;
    request.form = form;
    request.upgrade = ctx.upgrade;
    return request;
  }

  goWithout(error: WeldrError): void {
    this.cache = undefined;
    this.attemptFailed(error);
  }

  private attemptFailed(error: WeldrError): void {
    const { ctx } = this;
    if (ctx === undefined) return;
    this.pipeline.attemptFailed(error);
    this.awaitStage(ctx);
  }

  // --- RequestReceiver: the request body, from the client ------------------------------------------------------

  get wantsBody(): boolean {
    return this.bodyWanted;
  }

  onRequestBytes(bytes: Buffer | string): void {
    const { ctx, upstream } = this;
    if (ctx === undefined || upstream === undefined) return;
    ctx.replayable = false;
    ctx.bytesIn += bytes.length;
    this.bodyWanted = upstream.write(bytes);
  }

  onRequestEnd(trailers: HeaderList | undefined): void {
    this.upstream?.endRequest(trailers);
  }

  onClientDrain(): void {
    this.upstream?.release();
  }

  abort(error: WeldrError): void {
    const { client, ctx } = this;
    if (client === undefined) return;
    if (this.tunnel !== undefined) {
      this.tunnel.destroy();
      return;
    }
    this.dropAttempt();
    if (ctx !== undefined) logFailure(this.wire.log, ctx, error);
    this.endAborted(error);
  }

  // --- ResponseReceiver: what the upstream does ----------------------------------------------------------------

  onConnected(): void {
    this.bodyWanted = true;
    this.askForBody();
  }

  onDrain(): void {
    if (this.bodyWanted || this.client === undefined || this.client.requestComplete) return;
    this.bodyWanted = true;
    this.askForBody();
  }

  private askForBody(): void {
    const { client, upstream } = this;
    if (client !== undefined && upstream !== undefined && !client.requestComplete)
      client.resumeBody(this.formFor(upstream));
  }

  onInterim({ status, reason, headers }: ReceivedResponse): void {
    const { ctx, client } = this;
    if (ctx === undefined || client === undefined || client.answered) return;
    // A 100 that nobody waits for only confuses.
    if (status === 100 && !ctx.headers.has('expect')) return;
    client.writeInterim(status, reason, headers);
  }

  onHead(head: ReceivedResponse): BodyForm {
    const { ctx, client } = this;
    if (ctx === undefined || client === undefined) return 'payload';
    this.noteHead(ctx, head);
    this.length = head.length;
    this.announced = head.announced;
    this.hasDate = head.hasDate;
    const form = head.form === 'chunks' ? client.takes : 'payload';
    this.form = form;
    this.pipeline.responded();
    if (this.awaitStage(ctx)) {
      this.judgedLate = true;
      this.upstream?.hold();
    }
    return form;
  }

  private noteHead(ctx: ProxyContext, { status, reason, headers }: ReceivedResponse): void {
    ctx.status = status;
    ctx.responseHeaders = headers;
    ctx.respondedAt = performance.now();
    this.status = status;
    this.reason = reason;
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    const { ctx, client } = this;
    if (ctx === undefined || client === undefined || end === start || this.response.body === 'none') return;
    ctx.bytesOut += end - start;
    if (!client.writeBody(buffer, start, end)) this.upstream?.hold();
  }

  onBodyLine(line: string): void {
    if (this.response.body !== 'none') this.client?.writeBodyLine(line);
  }

  onBodyEnd(trailers: HeaderList | undefined): void {
    this.upstream = undefined;
    this.client?.endBody(trailers);
    this.complete();
  }

  onReadEnd(): void {
    this.flushHead();
  }

  onUpgraded(head: ReceivedResponse, socket: Duplex, rest: Buffer): void {
    const { ctx } = this;
    this.upstream = undefined;
    const protocol = head.upgrade ?? '';
    const offered = ctx?.upgrade?.toLowerCase().split(', ') ?? [];
    if (ctx === undefined || !offered.includes(protocol.toLowerCase()) || !isFieldValue(protocol)) {
      socket.destroy();
      this.attemptFailed(
        new WeldrError('BAD_RESPONSE', 'the upstream switched to a protocol nobody asked for'),
      );
      return;
    }
    socket.pause();
    this.upgraded = { socket, rest, protocol };
    this.noteHead(ctx, head);
    this.pipeline.responded();
    this.awaitStage(ctx);
  }

  onAttemptError(error: WeldrError): void {
    const { ctx, client } = this;
    this.upstream = undefined;
    if (ctx === undefined || client === undefined) return;
    this.bodyWanted = false;
    // Behind the head, or while a stage looks at it, no other upstream can be tried.
    if (this.responding || this.pipeline.pending) this.refuse(error);
    else this.attemptFailed(error);
  }

  // --- the end -------------------------------------------------------------------------------------------------

  private flushHead(): void {
    if (this.responding && this.client?.flush() === false) this.upstream?.hold();
  }

  private switchProtocols(
    ctx: ProxyContext,
    client: ClientStream,
    upgraded: { socket: Duplex; rest: Buffer; protocol: string },
  ): void {
    this.upgraded = undefined;
    client.stageDone();
    const { socket, rest } = client.switchProtocols(
      this.reason ?? '',
      ctx.responseHeaders,
      upgraded.protocol,
    );
    const { deadlines, settings } = this.wire;
    const tunnel = new Tunnel(socket, upgraded.socket, deadlines, settings.timeouts.tunnel, () => {
      ctx.bytesIn += tunnel.bytesIn;
      ctx.bytesOut += tunnel.bytesOut;
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
    this.spoiled ||= this.pipeline.pending;
    this.detach();
    this.pipeline.aborted(error);
    this.release();
  }

  private detach(): void {
    this.ctx = undefined;
    this.client = undefined;
    this.cache = undefined;
    this.bodyWanted = false;
  }

  /**
   * Gives itself back for another request, unless a stage still owes an answer: nothing could tell that answer from
   * one about the next request. Such a one is dropped, and its client's connection goes on with another.
   */
  private release(): void {
    this.request.headers = noHeaders;
    this.response.headers = noHeaders;
    if (!this.spoiled) this.wire.exchanges.giveBack(this);
  }

  private dropAttempt(): void {
    this.cache?.leave(this);
    this.cache = undefined;
    this.upstream?.cancel();
    this.upstream = undefined;
    this.upgraded?.socket.destroy();
    this.upgraded = undefined;
    this.bodyWanted = false;
    this.judgedLate = false;
  }
}
