// Exchange: one request on the wire: the client's connection on one side, an upstream's on the other.
import type { Socket } from 'node:net';
import { WeldrError } from '../../errors.ts';
import { pluginErrorFacts } from '../../plugin/report-plugin-error.ts';
import { ProxyContext } from '../../request/context.ts';
import { HeaderList, isFieldValue } from '../../request/headers.ts';
import { RequestState } from '../../request/request-state.ts';
import { type Carrier, Pipeline } from '../../stages/pipeline.ts';
import type { ClientConnection } from '../h1/client-connection.ts';
import { untilClose } from '../h1/message-framing.ts';
import { dateLine, requestHead } from '../h1/outgoing-head.ts';
import { reasonPhrase } from '../h1/reason-phrases.ts';
import type { RequestHead } from '../h1/request-head.ts';
import type { ResponseHead } from '../h1/response-head.ts';
import type { Attempt, UpstreamConnection } from '../h1/upstream-connection.ts';
import type { ConnectionTaker, UpstreamConnections } from '../upstream/upstream-connections.ts';
import { Tunnel } from './tunnel.ts';
import type { Wire } from './wire.ts';

/** Up to this many bytes, body and head leave in one write, as one string: no buffer is made for them. */
const smallBody = 16 * 1024;

const noBytes = Buffer.alloc(0);

/** The body of a response as it goes to the client. */
const asSent = 0;
const encoded = 1;
const untilClosed = 2;
/** The upstream sends one, and what the client gets has none. */
const dropped = 3;

/** One a client connection, used for its requests one after another. */
export class Exchange implements Carrier, Attempt, ConnectionTaker {
  /** The request's method, for the upstream connection to know which responses have no body. */
  method = 'GET';
  private readonly wire: Wire;
  private readonly client: ClientConnection;
  private pipeline: Pipeline;
  /** What the client sent, whatever plugins make of it. */
  private askedMethod = 'GET';
  private askedClose = false;
  private state: RequestState | undefined = undefined;
  private connections: UpstreamConnections | undefined = undefined;
  private connection: UpstreamConnection | undefined = undefined;
  /** The upstream is there and takes the request body. */
  private bodyWanted = false;
  // of the response
  private status = 0;
  private reason = '';
  private responseLength = 0;
  private announced: number | undefined = undefined;
  private hasDate = false;
  private bodyMode = asSent;
  /** A head that is not written yet, as the first bytes of the body may leave with it. */
  private pendingHead = '';
  private headWritten = false;
  private keepAlive = false;
  private judgedLate = false;
  private upgraded: { socket: Socket; rest: Buffer; protocol: string } | undefined = undefined;
  private tunnel: Tunnel | undefined = undefined;

  constructor(wire: Wire, client: ClientConnection) {
    this.wire = wire;
    this.client = client;
    this.pipeline = new Pipeline(wire.pipelineOptions, this);
  }

  get active(): boolean {
    return this.state !== undefined;
  }

  /** Has the response begun? */
  get answered(): boolean {
    return this.headWritten || this.pendingHead !== '';
  }

  /** Begins the request that `head` holds. */
  begin(head: RequestHead): void {
    const { wire, client } = this;
    const version = head.minor === 0 ? '1.0' : '1.1';
    const { fields } = head;
    const startedAt = wire.deadlines.touch();
    const state = new RequestState(
      head.method,
      head.target,
      version,
      fields.headers,
      wire.pools.default,
      startedAt,
    );
    state.host = head.host;
    state.bodyLength = head.length;
    if (head.upgrade !== undefined) state.ensureRare().upgrade = head.upgrade;
    wire.forwarding.apply(state, client.peer, fields.hasForwarding);
    this.state = state;
    this.method = head.method;
    this.askedMethod = head.method;
    this.keepAlive = head.keepAlive;
    this.askedClose = !head.keepAlive;
    this.headWritten = false;
    this.pendingHead = '';
    this.bodyWanted = false;
    this.judgedLate = false;
    this.pipeline.start(new ProxyContext(state));
  }

  // --- Carrier: what the pipeline decided ----------------------------------------------------------------------

  awaitStage(): void {
    if (this.connection !== undefined) this.judgedLate = true;
    this.connection?.hold();
    this.client.awaitStage();
  }

  forward(state: RequestState): void {
    const { upstream } = state;
    if (upstream === undefined) return;
    this.client.stageDone();
    this.connections = this.wire.connectionsTo(upstream);
    this.method = state.edited === undefined ? state.method : state.edited.method;
    this.connections.acquire(this, state.upgrade === undefined ? 'requests' : 'upgrade');
  }

  respond(ctx: RequestState): void {
    if (ctx.status !== this.status) this.reason = reasonPhrase(ctx.status);
    if (this.upgraded !== undefined) {
      this.switchProtocols(ctx, this.upgraded);
      return;
    }
    const { client } = this;
    const bodiless = this.askedMethod === 'HEAD' || ctx.status === 204 || ctx.status === 304;
    let framing = '';
    this.bodyMode = asSent;
    // The client's connection can go on only if all of its request has been read.
    if (this.isLast(ctx)) this.keepAlive = false;
    if (bodiless) {
      if (this.responseLength !== 0) this.bodyMode = dropped;
      if (ctx.status !== 204 && this.announced !== undefined)
        framing = `Content-Length: ${this.announced}\r\n`;
    } else if (this.responseLength >= 0) {
      framing = `Content-Length: ${this.responseLength}\r\n`;
    } else if (ctx.version === '1.1') {
      framing = 'Transfer-Encoding: chunked\r\n';
      if (this.responseLength === untilClose) this.bodyMode = encoded;
    } else {
      this.keepAlive = false;
      this.bodyMode = untilClosed;
    }
    this.pendingHead = this.responseHead(ctx, this.reason, this.hasDate, framing);
    this.headWritten = false;
    client.stageDone();
    if (this.judgedLate) {
      this.judgedLate = false;
      this.connection?.release();
    }
  }

  reply(ctx: RequestState): void {
    this.client.stageDone();
    this.dropAttempt();
    if (this.isLast(ctx)) this.keepAlive = false;
    const { replyBody: body, status } = ctx;
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
    const framing = status === 204 || status === 304 ? '' : `Content-Length: ${length}\r\n`;
    const head = this.responseHead(ctx, reasonPhrase(status), false, framing);
    this.headWritten = true;
    this.client.write(head);
    if (this.askedMethod !== 'HEAD' && framing !== '' && length > 0) {
      this.client.writeOwn(typeof body === 'string' ? Buffer.from(body) : Buffer.from(body));
      ctx.bytesOut += length;
    }
    this.complete();
  }

  failed(ctx: RequestState, error: WeldrError): void {
    this.logFailure(ctx, error);
  }

  /** Must the client's connection end with this response? Bytes behind an Upgrade could be of either protocol. */
  private isLast(ctx: RequestState): boolean {
    return !this.client.requestComplete || ctx.upgrade !== undefined || this.wire.draining;
  }

  abandonAttempt(): void {
    this.dropAttempt();
  }

  // --- ConnectionTaker -----------------------------------------------------------------------------------------

  take(connection: UpstreamConnection): void {
    const { state: ctx, client } = this;
    if (ctx === undefined) return;
    this.connection = connection;
    const use = ctx.upgrade === undefined ? 'requests' : 'upgrade';
    const body = client.takeSmallBody(smallBody);
    // What has come of the body leaves in one write with the head.
    const joined = !client.requestComplete && connection.connected;
    if (joined) connection.cork();
    connection.start(this, body === undefined ? requestHead(ctx) : requestHead(ctx) + body, use);
    ctx.attempt?.sent(performance.now());
    ctx.attempt?.reuses(connection.reused);
    if (body !== undefined) ctx.bytesIn = body.length;
    if (client.requestComplete) {
      connection.endRequest();
    } else {
      this.bodyWanted = connection.connected;
      if (this.bodyWanted) client.resumeBody();
    }
    if (joined) connection.uncork();
  }

  refuse(error: WeldrError): void {
    this.connections = undefined;
    this.pipeline.attemptFailed(error);
  }

  // --- the request body, from the client -----------------------------------------------------------------------

  /** May body bytes be handed on now? */
  get wantsBody(): boolean {
    return this.bodyWanted;
  }

  /** Body bytes, framed as they are to be sent; false: no more until {@link ClientConnection.resumeBody}. */
  onRequestBytes(bytes: Buffer | string): boolean {
    const { state: ctx, connection } = this;
    if (ctx === undefined || connection === undefined) return true;
    ctx.replayable = false;
    ctx.bytesIn += bytes.length;
    this.bodyWanted = connection.write(bytes);
    return this.bodyWanted;
  }

  /** The body is whole. `trailers`: of a chunked one whose end is to be written with them. */
  onRequestEnd(trailers: HeaderList | undefined): void {
    if (trailers !== undefined) this.connection?.write(`0\r\n${trailers.toLines()}\r\n`);
    this.connection?.endRequest();
  }

  // --- Attempt: what the upstream does -------------------------------------------------------------------------

  onConnected(): void {
    this.bodyWanted = true;
    if (!this.client.requestComplete) this.client.resumeBody();
  }

  onDrain(): void {
    if (this.bodyWanted || this.client.requestComplete) return;
    this.bodyWanted = true;
    this.client.resumeBody();
  }

  onInterim(head: ResponseHead): void {
    const { state: ctx } = this;
    // HTTP/1.0 knows no 1xx (RFC 9110 section 15.2), and a 100 that nobody waits for only confuses.
    if (ctx === undefined || ctx.version === '1.0' || this.headWritten) return;
    if (head.status === 100 && !ctx.headers.has('expect')) return;
    this.client.write(`HTTP/1.1 ${head.status} ${head.reason}\r\n${head.fields.headers.toLines()}\r\n`);
  }

  onHead(head: ResponseHead): 'keep' | 'strip' {
    const { state: ctx } = this;
    if (ctx === undefined) return 'keep';
    ctx.status = head.status;
    ctx.responseHeaders = head.fields.headers;
    ctx.attempt?.responded(ctx.status, performance.now());
    this.status = head.status;
    this.reason = head.reason;
    this.responseLength = head.length;
    this.announced = head.announced;
    this.hasDate = head.fields.hasDate;
    const { version } = ctx;
    this.pipeline.responded();
    return version === '1.0' ? 'strip' : 'keep';
  }

  onBody(buffer: Buffer, start: number, end: number): void {
    const { state: ctx, client } = this;
    if (ctx === undefined || end === start || this.bodyMode === dropped) return;
    const size = end - start;
    ctx.bytesOut += size;
    const head = this.pendingHead;
    this.pendingHead = '';
    this.headWritten = true;
    let flowing: boolean;
    if (this.bodyMode === encoded) {
      client.write(`${head}${size.toString(16)}\r\n`);
      client.writeShared(buffer, start, end);
      flowing = client.write('\r\n');
    } else if (size <= smallBody) {
      flowing = client.write(head + buffer.toString('latin1', start, end));
    } else {
      if (head !== '') client.write(head);
      flowing = client.writeShared(buffer, start, end);
    }
    if (!flowing) this.connection?.hold();
  }

  onBodyLine(line: string): void {
    if (this.bodyMode === dropped) return;
    this.headWritten = true;
    this.client.write(this.pendingHead + line);
    this.pendingHead = '';
  }

  onBodyEnd(trailers: HeaderList | undefined): void {
    this.connection = undefined;
    if (this.bodyMode === encoded) this.onBodyLine('0\r\n\r\n');
    else if (trailers !== undefined && this.bodyMode === asSent) {
      this.onBodyLine(`0\r\n${trailers.toLines()}\r\n`);
    }
    this.flushHead();
    this.complete();
  }

  onReadEnd(): void {
    this.flushHead();
  }

  onUpgraded(head: ResponseHead, socket: Socket, rest: Buffer): void {
    const { state: ctx } = this;
    this.connection = undefined;
    const protocol = head.upgrade ?? '';
    const offered = ctx?.upgrade?.toLowerCase().split(', ') ?? [];
    if (ctx === undefined || !offered.includes(protocol.toLowerCase()) || !isFieldValue(protocol)) {
      socket.destroy();
      this.pipeline.attemptFailed(
        new WeldrError('BAD_RESPONSE', 'the upstream switched to a protocol nobody asked for'),
      );
      return;
    }
    socket.pause();
    this.upgraded = { socket, rest, protocol };
    ctx.status = 101;
    this.status = 101;
    ctx.responseHeaders = head.fields.headers;
    ctx.attempt?.responded(ctx.status, performance.now());
    this.reason = head.reason;
    this.pipeline.responded();
  }

  onAttemptError(error: WeldrError): void {
    this.connection = undefined;
    const { state: ctx } = this;
    if (ctx === undefined) return;
    this.bodyWanted = false;
    if (this.headWritten) {
      // The client has seen a part: only a cut connection can tell it that the rest is missing.
      this.logFailure(ctx, error);
      this.endAborted(error);
      this.client.cut(this.bodyMode === untilClosed ? 'reset' : 'close');
    } else if (this.pendingHead !== '') {
      this.pendingHead = '';
      this.pipeline.failLate(error);
    } else if (this.pipeline.pending) {
      // The response that a stage is looking at cannot be sent any more.
      this.endAborted(error);
      this.client.cut('close');
    } else {
      this.pipeline.attemptFailed(error);
    }
  }

  // --- the client ----------------------------------------------------------------------------------------------

  /** What was written has left the client's connection. */
  onClientDrain(): void {
    this.connection?.release();
  }

  /** The client left, or must leave; its request ends here. */
  abort(error: WeldrError): void {
    const { state: ctx } = this;
    if (ctx === undefined) return;
    if (this.tunnel !== undefined) {
      this.tunnel.destroy();
      return;
    }
    this.dropAttempt();
    this.logFailure(ctx, error);
    this.endAborted(error);
  }

  /** The request turned out to be malformed; answered when nothing was yet, cut else. True: it was answered. */
  refuseRequest(error: WeldrError): boolean {
    const { state: ctx } = this;
    if (ctx === undefined || this.headWritten || this.pendingHead !== '') {
      this.abort(error);
      return false;
    }
    this.dropAttempt();
    this.pipeline.failLate(error);
    return true;
  }

  /** The stage that is at work has taken too long. */
  stageTimedOut(ms: number): void {
    this.pipeline.stageTimedOut(ms);
  }

  private responseHead(ctx: RequestState, reason: string, hasDate: boolean, framing: string): string {
    const headers = ctx.responseHeaders ?? new HeaderList();
    const date = (headers.edited ? headers.has('date') : hasDate) ? '' : dateLine();
    let connection = '';
    if (!this.keepAlive) connection = 'Connection: close\r\n';
    else if (ctx.version === '1.0') connection = 'Connection: keep-alive\r\n';
    return `HTTP/1.1 ${ctx.status} ${reason}\r\n${headers.toLines()}${date}${framing}${connection}\r\n`;
  }

  private flushHead(): void {
    const head = this.pendingHead;
    if (head === '' || this.pipeline.pending) return;
    this.pendingHead = '';
    this.headWritten = true;
    if (!this.client.write(head)) this.connection?.hold();
  }

  private switchProtocols(
    ctx: RequestState,
    upgraded: { socket: Socket; rest: Buffer; protocol: string },
  ): void {
    this.upgraded = undefined;
    this.headWritten = true;
    this.client.stageDone();
    const lines = ctx.responseHeaders?.toLines() ?? '';
    this.client.write(
      `HTTP/1.1 101 ${this.reason}\r\n${lines}Connection: upgrade\r\nUpgrade: ${upgraded.protocol}\r\n\r\n`,
    );
    const early = this.client.takeOver();
    const { deadlines, settings } = this.wire;
    const tunnel = new Tunnel(
      this.client.socket,
      upgraded.socket,
      deadlines,
      settings.timeouts.tunnel,
      () => {
        ctx.bytesIn += tunnel.bytesIn;
        ctx.bytesOut += tunnel.bytesOut;
        this.tunnel = undefined;
        this.endCompleted();
        this.client.onTunnelClosed();
      },
    );
    this.tunnel = tunnel;
    tunnel.start(early ?? noBytes, upgraded.rest);
  }

  private complete(): void {
    this.endCompleted();
    this.client.finishResponse(this.keepAlive ? 'keep-alive' : this.askedClose ? 'close' : 'linger');
  }

  private endAborted(error: WeldrError): void {
    this.state = undefined;
    this.bodyWanted = false;
    this.connections = undefined;
    this.pipeline.aborted(error);
    this.renewPipeline();
  }

  private endCompleted(): void {
    this.state = undefined;
    this.bodyWanted = false;
    this.connections = undefined;
    this.pipeline.completed();
    this.renewPipeline();
  }

  private renewPipeline(): void {
    if (!this.pipeline.reusable) this.pipeline = new Pipeline(this.wire.pipelineOptions, this);
  }

  private dropAttempt(): void {
    this.connections?.leave(this);
    this.connections = undefined;
    this.connection?.destroy();
    this.connection = undefined;
    this.upgraded?.socket.destroy();
    this.upgraded = undefined;
    this.bodyWanted = false;
    this.judgedLate = false;
    this.pendingHead = '';
  }

  private logFailure(ctx: RequestState, error: WeldrError): void {
    const { log } = this.wire;
    const facts = {
      status: error.status,
      code: error.code,
      method: ctx.method,
      target: ctx.target,
      client: ctx.clientIp,
      upstream: (ctx.upstream ?? ctx.tried.at(-1))?.id,
    };
    if (error.blame === 'client') log.info(facts, error.message);
    else if (error.code === 'PLUGIN_FAILED' || error.code === 'INTERNAL')
      log.error({ ...facts, ...pluginErrorFacts(error) }, error.message);
    else log.warn(facts, causeOf(error));
  }
}

function causeOf(error: WeldrError): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
