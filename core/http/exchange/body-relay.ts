// BodyRelay: passes the bodies of an exchange between its two streams, through the transforms that plugins asked for.
import { describeError, WeldrError } from '../../errors.ts';
import { pluginErrorFacts } from '../../plugin/report-plugin-error.ts';
import type { AskedTransform } from '../../request/body-transform.ts';
import { deleteSettled } from '../../request/field-aliases.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { RequestState } from '../../request/request-state.ts';
import { BodyChain, transformFailure } from './body-chain.ts';
import type { ExchangeHome } from './exchange-home.ts';
import { OutgoingResponse } from './outgoing-response.ts';
import type { BodyForm, ClientStream, UpstreamStream } from './streams.ts';

/** Passes the bodies of one exchange. While one side cannot write, the other is not read. */
export abstract class BodyRelay {
  protected readonly home: ExchangeHome;
  protected client: ClientStream | undefined = undefined;
  protected state: RequestState | undefined = undefined;
  protected upstream: UpstreamStream | undefined = undefined;
  protected readonly response = new OutgoingResponse();
  /** The form in which the client's stream can hand on the request body. */
  protected askedForm: BodyForm = 'payload';
  /** Whether the upstream's stream is open and taking the request body. */
  protected bodyWanted = false;
  /** Whether the client's stream has the response's head. */
  protected responding = false;
  /** The transforms of each body; undefined if plugins asked for none. */
  protected requestChain: BodyChain | undefined = undefined;
  protected responseChain: BodyChain | undefined = undefined;
  /** Trailers of a body that is still in a chain. */
  private requestTrailers: HeaderList | undefined = undefined;
  private responseTrailers: HeaderList | undefined = undefined;

  constructor(home: ExchangeHome) {
    this.home = home;
  }

  /** Whether an asynchronous tap is running. */
  protected abstract get isStagePending(): boolean;

  /** Ends the exchange with an error: as a response if none has begun, otherwise by cutting the client's stream. */
  abstract refuse(error: WeldrError): void;

  /** Called when all of the response has been handed to the client's stream. */
  protected abstract complete(): void;

  protected abstract dropAttempt(): void;

  // --- the request body ----------------------------------------------------------------------------------------

  get wantsBody(): boolean {
    return this.bodyWanted;
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
    const { state } = this;
    if (trailers !== undefined && state !== undefined) deleteSettled(trailers, state.settledNames());
    if (this.requestChain === undefined) this.upstream?.endRequest(trailers);
    else this.endRequestChain(this.requestChain, trailers);
  }

  /** The upstream's stream can take more of the request body. */
  onDrain(): void {
    this.requestChain?.resume();
    this.watchRequestChain();
    if (this.bodyWanted || this.client === undefined || this.client.requestComplete) return;
    this.bodyWanted = true;
    this.askForBody();
  }

  protected askForBody(): void {
    const { client, upstream } = this;
    if (client !== undefined && upstream !== undefined && !client.requestComplete)
      client.resumeBody(this.formFor(upstream));
  }

  /** The form in which the request body is handed to this stream. */
  protected formFor(stream: UpstreamStream): BodyForm {
    return this.askedForm === 'chunks' && this.requestChain === undefined ? stream.takes : 'payload';
  }

  // --- the response body ---------------------------------------------------------------------------------------

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
    if (trailers !== undefined && head !== undefined) deleteSettled(trailers, head.settled);
    if (this.responseChain !== undefined) {
      this.responseTrailers = trailers;
      this.responseChain.end();
      this.watchResponseChain();
      return;
    }
    this.client?.endBody(trailers);
    this.complete();
  }

  /** Everything from one read of the upstream has been handed on. */
  onReadEnd(): void {
    this.flushHead();
  }

  protected flushHead(): void {
    if (this.responding && this.client?.flush() === false) this.upstream?.hold();
  }

  /** The client's stream can take more of the response. */
  onClientDrain(): void {
    if (this.responseChain === undefined) {
      this.upstream?.release();
    } else {
      this.responseChain.resume();
      this.watchResponseChain();
      if (!this.responseChain?.owes) this.upstream?.release();
    }
  }

  // --- transforms ----------------------------------------------------------------------------------------------

  /** Returns false if the transforms could not be created: the request has then failed. */
  protected startRequestChain(transforms: readonly AskedTransform[]): boolean {
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

  /** Called when all of the client's body is in the chain. */
  protected endRequestChain(chain: BodyChain, trailers: HeaderList | undefined): void {
    this.requestTrailers = trailers;
    this.upstream?.clientSent();
    chain.end();
    this.watchRequestChain();
  }

  /** Returns false if the transforms could not be created: the request has then failed. */
  protected startResponseChain(transforms: readonly AskedTransform[]): boolean {
    try {
      this.responseChain = new BodyChain(transforms, {
        onChainBytes: bytes => this.onTransformed(bytes),
        onChainEnd: () => {
          this.responseChain = undefined;
          this.client?.stageDone();
          this.client?.endBody(this.responseTrailers);
          // If the chain ended before its input did, the rest is not needed.
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

  /** Sends a complete body through the chain. */
  protected transformWhole(chain: BodyChain, bytes: Uint8Array): void {
    chain.write(bytes);
    chain.end();
    this.watchResponseChain();
  }

  /** Logs with the id of this request: by the time of a late error the exchange may serve another. */
  private lateErrors(): (error: WeldrError) => void {
    const { log } = this.home;
    const requestId = this.state?.id;
    return error => log.error({ requestId, ...pluginErrorFacts(error) }, error.message);
  }

  /** Refuses after a transform of the response failed: the error response must not go through it too. */
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

  /** Gives a transform whose turn it is as much time as a stage to produce its next bytes. */
  private watchResponseChain(): void {
    if (this.responseChain?.owes === true) this.client?.awaitStage();
  }

  protected watchRequestChain(): void {
    if (this.requestChain?.owes === true && !this.isStagePending && !this.responding)
      this.client?.awaitStage();
  }

  /** The request's transform made progress. The time of a running stage or a response's transform is not reset. */
  private chainMoved(): void {
    if (!this.isStagePending && this.responseChain?.owes !== true) this.client?.stageDone();
  }

  /** Fails the request because a transform took longer than a stage may, `ms`. */
  protected transformTimedOut(ms: number): void {
    const chain = this.responseChain ?? this.requestChain;
    if (chain === undefined) return;
    const error = transformFailure(chain.plugin, `a body transform took over ${ms} ms`);
    if (this.responseChain === undefined) this.refuse(error);
    else this.refuseUntransformed(error);
  }

  protected dropRequestChain(): void {
    this.requestChain?.destroy();
    this.requestChain = undefined;
    this.requestTrailers = undefined;
  }

  protected dropResponseChain(): void {
    this.responseChain?.destroy();
    this.responseChain = undefined;
  }

  protected dropBodies(): void {
    this.bodyWanted = false;
    this.dropRequestChain();
    this.dropResponseChain();
    this.responseTrailers = undefined;
  }
}

function toWeldrError(thrown: unknown): WeldrError {
  return thrown instanceof WeldrError
    ? thrown
    : new WeldrError('INTERNAL', describeError(thrown), { cause: thrown });
}
