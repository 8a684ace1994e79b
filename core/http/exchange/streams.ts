// Streams: the two ends of an exchange, in any protocol: what the exchange asks of each, and what each calls back. Nothing
// here depends on how a message is written.
import type { Duplex } from 'node:stream';
import type { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { ProxyFacts } from '../../request/proxy-facts.ts';
import type { HttpVersion } from '../../request/request-state.ts';
import type { TlsFacts } from '../../request/tls-facts.ts';

/**
 * How a body's bytes are handed from one end to the other: only the payload, or the checked HTTP/1.1 chunks as received.
 * Chunks pass only from an end that reads them to one that takes them.
 */
export type BodyForm = 'payload' | 'chunks';

/** The facts of one client connection. */
export interface Peer {
  /** `unix:` for a client on a unix socket, which has no address. */
  readonly ip: string;
  readonly port: number;
  /** The address that it connected to, perhaps that of a proxy in front; undefined for a unix socket, or once it has left. */
  readonly localIp: string | undefined;
  /** 0 for a unix socket. */
  readonly localPort: number;
  /** The name of the `listen` entry that accepted it. */
  readonly listener: string;
  /** Whether it is a proxy whose X-Forwarded-* fields are believed. */
  readonly trusted: boolean;
  /** The outcome of the TLS handshake; undefined if the connection is not encrypted. */
  tls: TlsFacts | undefined;
  /** The element of X-Forwarded-Client-Cert for its certificate; '' if it showed none, or the field is not sent. */
  certified: string;
  /** The facts from its PROXY header; undefined if there was none. */
  readonly proxy: ProxyFacts | undefined;
  /** Also `https` if TLS ended at a proxy whose PROXY header says so. */
  readonly scheme: 'http' | 'https';
  /** The forwarding lines of the last request, cached for `describedHost`: most requests name the same host. */
  described: string;
  describedHost: string | undefined;
}

/** A request head as a client's stream read it, valid while {@link RequestReceiver.begin} runs. */
export interface InboundRequest {
  readonly method: string;
  /** Origin-form, or `*`. */
  readonly target: string;
  readonly version: HttpVersion;
  /** The host and port of the request; empty if it names none. */
  readonly host: string;
  /** The lines that may be forwarded; the receiver may edit and keep them. */
  readonly headers: HeaderList;
  /** Bytes of the body: 0 if there is none, negative if not known in advance. */
  readonly length: number;
  /** The form in which the stream can hand on the body: `chunks` only if it arrives in chunks. */
  readonly form: BodyForm;
  /** The protocols that the client asks to switch to, if the request for it is valid. */
  readonly upgrade: string | undefined;
  /** Whether the client waits for a 100 (Continue) before it sends the body. */
  readonly expectContinue: boolean;
  /** The values of all Via lines, joined by commas; '' for none. */
  readonly via: string;
  readonly maxForwards: string | undefined;
  /** Whether there was an X-Forwarded-* or Forwarded line. */
  readonly hasForwarding: boolean;
  /** Whether the client says that it accepts trailers (RFC 9110 section 10.1.4). */
  readonly takesTrailers: boolean;
}

/** A request head for an upstream's stream to write. */
export interface OutboundRequest {
  readonly method: string;
  readonly target: string;
  /** The Host to send instead of the one in `headers`; undefined to send that one. */
  readonly host: string | undefined;
  readonly headers: HeaderList;
  /** More field lines, as text: the forwarding fields and Via. */
  readonly addedLines: string;
  /** Bytes of the body: 0 if there is none, negative if not known in advance. */
  readonly length: number;
  /** The form in which the body will be handed on. */
  readonly form: BodyForm;
  readonly upgrade: string | undefined;
  /** Whether the client waits for the upstream's 100 (Continue) before it sends the body. */
  readonly expectContinue: boolean;
  /** Whether the client says that it accepts trailers. */
  readonly takesTrailers: boolean;
  readonly timeouts: UpstreamTimeouts;
}

/** How long an upstream may take, ms. */
export interface UpstreamTimeouts {
  /** Until the connection is open. */
  readonly connect: number;
  /** From the request to the response head; paused while the client's body is awaited. */
  readonly response: number;
  /** Silence within the body. */
  readonly body: number;
}

/** A response head as an upstream's stream read it, valid during the call that passes it. */
export interface InboundResponse {
  readonly status: number;
  /** The reason phrase as received; undefined for protocols without one. */
  readonly reason: string | undefined;
  readonly headers: HeaderList;
  /** Bytes of the body that follows: 0 if there is none, negative if not known in advance. */
  readonly length: number;
  /** The announced length, even if no body follows (HEAD, 304); undefined if there was none. */
  readonly announced: number | undefined;
  /** The form in which the stream can hand on the body: `chunks` only if it arrives in chunks. */
  readonly form: BodyForm;
  readonly hasDate: boolean;
  /**
   * What ends a body of known length: in HTTP/1.1 its last byte; in HTTP/2 an explicit sign, which trailers may precede.
   */
  readonly endsWith: 'its length' | 'a sign';
  /** The protocol that a 101 switches to. */
  readonly upgrade: string | undefined;
}

/** A response head for a client's stream to write. */
export interface OutboundResponse {
  readonly status: number;
  /** The reason phrase as the upstream sent it; undefined for the usual one for the status. */
  readonly reason: string | undefined;
  readonly headers: HeaderList;
  /** Whether `headers` contains a Date. If not, the stream adds one. */
  readonly hasDate: boolean;
  /** The length to announce; undefined if it is unknown or must not be announced. */
  readonly length: number | undefined;
  /** Whether the length was announced to Weldr. If not, a protocol that marks the end of bodies need not announce it either. */
  readonly isAnnounced: boolean;
  /** `its length`: a body of known length has no trailers. */
  readonly endsWith: 'its length' | 'a sign';
  /** The form in which the body will be handed on, if one follows. */
  readonly body: BodyForm | 'none';
}

/** One client request and its response. Calls a {@link RequestReceiver}. */
export interface ClientStream {
  /** The facts of its connection. */
  readonly peer: Peer;
  /** Whether all of the request has been read. */
  readonly requestComplete: boolean;
  /** The form that it prefers for response bodies. */
  readonly takes: BodyForm;
  /** Whether it is a gRPC request. If so, Weldr's own responses take gRPC's form. */
  readonly isGrpc: boolean;
  /** Whether part of the final response has been sent. If so, no other response can be. */
  readonly answered: boolean;
  /**
   * Returns the whole request body as latin1 text if it is small and has arrived. It is kept, so the request can be sent
   * again. Returns undefined if there is none, or it must be streamed.
   */
  takeSmallBody(limit: number): string | undefined;
  /** Returns whether all of the request body has arrived, or this many bytes of it are waiting to be handed on. */
  bodyArrived(limit: number): boolean;
  /** Reads until {@link bodyArrived} holds, then calls `onBodyArrived`. */
  gatherBody(limit: number): void;
  /**
   * Limits the body to this many bytes, if the settings allow more; the receiver's `refuse` is called for a larger body.
   * Must be called before {@link resumeBody}. Returns false if more bytes have already arrived.
   */
  limitBody(bytes: number): boolean;
  /** The receiver wants body bytes now. The first call fixes the form. */
  resumeBody(form: BodyForm): void;
  /** The rest of the request will not be read, so HTTP/1.1 must end its connection with the response. */
  readNoMore(): void;
  /** A stage is running asynchronously: calls `onStageTimeout` once its time is over. */
  awaitStage(): void;
  stageDone(): void;
  /** The request as it arrived, as `message/http` (RFC 9110 section 9.3.8). */
  echo(method: string, target: string, host: string): string;
  /** Sends a 1xx response, unless the client's protocol has none. Returns false to wait for `onClientDrain`. */
  writeInterim(status: number, reason: string | undefined, headers: HeaderList): boolean;
  /** Takes the final head, which is sent with the first bytes of the body or by {@link flush}. */
  writeHead(response: OutboundResponse): void;
  /** Sends body bytes, which may change after the call. Returns false to wait for `onClientDrain`. */
  writeBody(buffer: Buffer, start: number, end: number): boolean;
  /** Sends a chunk's size line, if the body is handed on in chunks. */
  writeBodyLine(line: string): void;
  /** All of the body has been handed over. `trailers`: those of a chunked body whose end is still to be written. */
  endBody(trailers: HeaderList | undefined): void;
  /** Sends the head if it is still waiting. Returns false to wait for `onClientDrain`. */
  flush(): boolean;
  /** The response is complete, and the receiver has released this stream. */
  finish(): void;
  /** The response cannot be completed, and the client must be able to see that. */
  cut(): void;
  /** Sends the 101 and hands over the connection. `rest`: bytes that have already been read. */
  switchProtocols(
    reason: string,
    headers: HeaderList,
    protocol: string,
  ): { readonly socket: Duplex; readonly rest: Buffer };
  /** The tunnel that got the connection has ended. */
  onTunnelClosed(): void;
}

/** Receives a client's request: an exchange. Ranges of bytes are valid only during the call. */
export interface RequestReceiver {
  /** Whether body bytes may be handed on now. */
  readonly wantsBody: boolean;
  /** Starts the request with this head. */
  begin(request: InboundRequest): void;
  /** The bytes that {@link ClientStream.gatherBody} waited for have arrived. */
  onBodyArrived(): void;
  /** Takes body bytes in the requested form. No more may follow while `wantsBody` is false. */
  onRequestBytes(bytes: Buffer | string): void;
  /** The body is complete. `trailers`: those of a chunked body whose end is still to be written. */
  onRequestEnd(trailers: HeaderList | undefined): void;
  /** The written bytes have left the client's connection. */
  onClientDrain(): void;
  onStageTimeout(): void;
  /**
   * What the client sent cannot be accepted. Called instead of `begin` if there is no valid head. Responds with the error if
   * no response has begun, otherwise cuts the stream.
   */
  refuse(error: WeldrError): void;
  /** The stream is gone: the client left or was disconnected. */
  abort(error: WeldrError): void;
}

/** One upstream request and its response. Calls a {@link ResponseReceiver}. */
export interface UpstreamStream {
  /** Whether its connection was used before. */
  readonly reused: boolean;
  /** Whether its connection is open, so that a body may follow the head. */
  readonly connected: boolean;
  /** The form that it prefers for request bodies. */
  readonly takes: BodyForm;
  /** Sends a request head, and a small body if it has already arrived. Called once. */
  send(request: OutboundRequest, body: string | undefined, receiver: ResponseReceiver): void;
  /** Keeps what is written until {@link uncork}, to send it in one write. */
  cork(): void;
  uncork(): void;
  /** Sends a part of the request body. Returns false to wait for `onDrain`. */
  write(bytes: Buffer | string): boolean;
  /** All of the client's body has arrived; a transform may still be holding some of it. */
  clientSent(): void;
  /** All of the request body has been handed over. `trailers`: those of a chunked body whose end is still to be written. */
  endRequest(trailers: HeaderList | undefined): void;
  /** Hands nothing on until {@link release}, because the client is slower or a stage is still running. */
  hold(): void;
  release(): void;
  /** Ends the stream without notifying its receiver. HTTP/1.1 must end its connection with it. */
  cancel(): void;
}

/** Receives an upstream's response: an exchange. Ranges are valid only during the call. */
export interface ResponseReceiver {
  /** The connection is open, so a body may follow. Not called if it was open before. */
  onConnected(): void;
  /** A 1xx head other than 101. */
  onInterim(response: InboundResponse): void;
  /** Takes the final head. Returns the form in which to hand on the body. May call {@link UpstreamStream.hold}. */
  onHead(response: InboundResponse): BodyForm;
  onBody(buffer: Buffer, start: number, end: number): void;
  /** Takes a size line to write instead of the original, if the body arrives in chunks. */
  onBodyLine(line: string): void;
  /** The response is complete, and the stream is over. `trailers`: those of a chunked body whose end is still to be written. */
  onBodyEnd(trailers: HeaderList | undefined): void;
  /** Everything from one read has been handed on. */
  onReadEnd(): void;
  /** The upstream sent the requested 101: from now on the connection belongs to the receiver. */
  onUpgraded(response: InboundResponse, socket: Duplex, rest: Buffer): void;
  /** The written bytes have left; more may follow. */
  onDrain(): void;
  /** The attempt has failed. */
  onAttemptError(error: WeldrError): void;
}
