// Streams: the two ends of an exchange, whatever protocol carries them: what the exchange asks of each, and what each
// calls back. Nothing here knows how a message is written.
import type { Duplex } from 'node:stream';
import type { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { ProxyFacts } from '../../request/proxy-facts.ts';
import type { HttpVersion } from '../../request/request-state.ts';
import type { TlsFacts } from '../../request/tls-facts.ts';

/**
 * How a body's bytes are handed from one end to the other: the payload alone, or in the chunks of HTTP/1.1 as they came,
 * checked. Chunks pass only from an end that reads them to one that takes them.
 */
export type BodyForm = 'payload' | 'chunks';

/** The facts of one client connection. */
export interface Peer {
  /** `unix:` for a client of a unix socket, which has no address. */
  readonly ip: string;
  readonly port: number;
  /** The address that it connected to, at the proxy in front if that says so; undefined: a unix socket, or it has left. */
  readonly localIp: string | undefined;
  /** 0 for a unix socket. */
  readonly localPort: number;
  /** The name of the `listen` entry that it came by. */
  readonly listener: string;
  /** Is it a proxy whose X-Forwarded-* fields are believed? */
  readonly trusted: boolean;
  /** The outcome of the TLS handshake; undefined: the connection is not encrypted. */
  tls: TlsFacts | undefined;
  /** What X-Forwarded-Client-Cert says about the certificate that it showed; '': it showed none, or the field is not sent. */
  certified: string;
  /** The facts of the PROXY header that introduced it; undefined: none did. */
  readonly proxy: ProxyFacts | undefined;
  /** `https` also if TLS ended at a proxy whose PROXY header says so. */
  readonly scheme: 'http' | 'https';
  /** The forwarding lines of the last request, for `describedHost`: most requests name the same host. */
  described: string;
  describedHost: string | undefined;
}

/** A request head as a client's stream read it; valid while {@link RequestReceiver.begin} runs. */
export interface InboundRequest {
  readonly method: string;
  /** Origin-form, or `*`. */
  readonly target: string;
  readonly version: HttpVersion;
  /** The host and port of the request; empty if it names none. */
  readonly host: string;
  /** The lines that may be passed on; the receiver may edit and keep them. */
  readonly headers: HeaderList;
  /** Bytes of the body; 0: none, below 0: not known beforehand. */
  readonly length: number;
  /** How the stream can hand the body on: `chunks` only if it comes in chunks. */
  readonly form: BodyForm;
  /** The protocols that the client asks to change to, if it asked properly. */
  readonly upgrade: string | undefined;
  /** Does the client wait for a 100 before it sends the body? */
  readonly expectContinue: boolean;
  /** The values of all Via lines, comma-joined; '' for none. */
  readonly via: string;
  readonly maxForwards: string | undefined;
  /** Did an X-Forwarded-* or Forwarded line come? */
  readonly hasForwarding: boolean;
  /** Does the client say that it takes trailers (RFC 9110 section 10.1.4)? */
  readonly takesTrailers: boolean;
}

/** A request head for an upstream's stream to write. */
export interface OutboundRequest {
  readonly method: string;
  readonly target: string;
  /** The Host to send in place of that among `headers`; undefined: that one. */
  readonly host: string | undefined;
  readonly headers: HeaderList;
  /** More field lines, as text: the forwarding fields, and Via. */
  readonly addedLines: string;
  /** Bytes of the body; 0: none, below 0: not known beforehand. */
  readonly length: number;
  /** How the body will be handed on. */
  readonly form: BodyForm;
  readonly upgrade: string | undefined;
  /** Does the client wait for the upstream's 100 before it sends the body? */
  readonly expectContinue: boolean;
  /** Does the client say that it takes trailers? */
  readonly takesTrailers: boolean;
  readonly timeouts: UpstreamTimeouts;
}

/** How long an upstream may take, ms. */
export interface UpstreamTimeouts {
  /** Until the connection is open. */
  readonly connect: number;
  /** From the request to the response head; does not run while the client's body is awaited. */
  readonly response: number;
  /** Silence within the body. */
  readonly body: number;
}

/** A response head as an upstream's stream read it; valid during the call that brings it. */
export interface InboundResponse {
  readonly status: number;
  /** As it came; protocols without one have none. */
  readonly reason: string | undefined;
  readonly headers: HeaderList;
  /** Bytes of the body that follows; 0: none, below 0: not known beforehand. */
  readonly length: number;
  /** The length that was announced, even if no body follows (HEAD, 304); undefined: none was. */
  readonly announced: number | undefined;
  /** How the stream can hand the body on: `chunks` only if it comes in chunks. */
  readonly form: BodyForm;
  readonly hasDate: boolean;
  /**
   * What ends a body of known length: in HTTP/1.1 its last byte; in HTTP/2 a separate sign, before which trailers may come.
   */
  readonly endsWith: 'its length' | 'a sign';
  /** The protocol that a 101 changes to. */
  readonly upgrade: string | undefined;
}

/** A response head for a client's stream to write. */
export interface OutboundResponse {
  readonly status: number;
  /** As the upstream sent it; undefined: the usual one for the status. */
  readonly reason: string | undefined;
  readonly headers: HeaderList;
  /** Is there a Date among `headers`? If not, the stream adds one. */
  readonly hasDate: boolean;
  /** The length to announce; undefined: it is unknown, or must not be announced. */
  readonly length: number | undefined;
  /** Was the length announced to Weldr? A protocol that marks the end of bodies need not announce one that was not. */
  readonly isAnnounced: boolean;
  /** `its length`: no trailers follow a body of known length. */
  readonly endsWith: 'its length' | 'a sign';
  /** How the body will be handed on, if one follows. */
  readonly body: BodyForm | 'none';
}

/** One request of a client and its response. Calls a {@link RequestReceiver}. */
export interface ClientStream {
  /** The facts of its connection. */
  readonly peer: Peer;
  /** Has all of the request been read? */
  readonly requestComplete: boolean;
  /** The form that it prefers for the body of a response. */
  readonly takes: BodyForm;
  /** Is it a gRPC request? Weldr's own responses are then in the terms of gRPC. */
  readonly isGrpc: boolean;
  /** Has a part of the final response left? Then no other can be sent. */
  readonly answered: boolean;
  /**
   * Returns the whole request body as latin1 text, if it has arrived and is small; it is kept, so that the request can be
   * sent again. Undefined: there is none, or it must be streamed.
   */
  takeSmallBody(limit: number): string | undefined;
  /** Has all of the request body arrived, or is this much of it waiting to be handed on? */
  bodyThere(limit: number): boolean;
  /** Reads until {@link bodyThere}, and then calls `onBodyThere`. */
  gatherBody(limit: number): void;
  /**
   * Limits the body to this many bytes, if the settings allow more; beyond them, `refuse` of the receiver is called. Call it
   * before {@link resumeBody}. False: more bytes have arrived already.
   */
  limitBody(bytes: number): boolean;
  /** The receiver wants body bytes now; the first call decides on the form. */
  resumeBody(form: BodyForm): void;
  /** The rest of the request is not read: HTTP/1.1 must end its connection with the response. */
  readNoMore(): void;
  /** A stage works asynchronously: calls `onStageTimeout` once its time is over. */
  awaitStage(): void;
  stageDone(): void;
  /** The request as it arrived, as `message/http` (RFC 9110 section 9.3.8). */
  echo(method: string, target: string, host: string): string;
  /** Sends a 1xx response, unless the client's protocol has none; false: wait for `onClientDrain`. */
  writeInterim(status: number, reason: string | undefined, headers: HeaderList): boolean;
  /** Takes the final head; it leaves with the first bytes of the body or with {@link flush}. */
  writeHead(response: OutboundResponse): void;
  /** Sends body bytes, which may change after the call; false: wait for `onClientDrain`. */
  writeBody(buffer: Buffer, start: number, end: number): boolean;
  /** Sends a chunk's size line, if the body is handed on in chunks. */
  writeBodyLine(line: string): void;
  /** All of the body was handed over; `trailers`: of chunks whose end is still to be written. */
  endBody(trailers: HeaderList | undefined): void;
  /** Sends the head if it is still waiting; false: wait for `onClientDrain`. */
  flush(): boolean;
  /** The response is complete, and the receiver has let go of this stream. */
  finish(): void;
  /** The response cannot be completed, and the client must see that it is not. */
  cut(): void;
  /** Sends the 101 and hands over the connection; `rest`: bytes that were read already. */
  switchProtocols(
    reason: string,
    headers: HeaderList,
    protocol: string,
  ): { readonly socket: Duplex; readonly rest: Buffer };
  /** The tunnel that got the connection has ended. */
  onTunnelClosed(): void;
}

/** Receives a client's request: an exchange. Ranges of bytes are valid during the call only. */
export interface RequestReceiver {
  /** May body bytes be handed on now? */
  readonly wantsBody: boolean;
  /** Begins the request with this head. */
  begin(request: InboundRequest): void;
  /** The bytes that {@link ClientStream.gatherBody} waits for have arrived. */
  onBodyThere(): void;
  /** Takes body bytes in the form that was asked for. No more may follow while `wantsBody` is false. */
  onRequestBytes(bytes: Buffer | string): void;
  /** The body is whole. `trailers`: of chunks whose end is still to be written. */
  onRequestEnd(trailers: HeaderList | undefined): void;
  /** The bytes written have left the client's connection. */
  onClientDrain(): void;
  onStageTimeout(): void;
  /**
   * What the client sent cannot be accepted. Called instead of `begin` if there is no head. Responds with the error if no
   * response has begun, else cuts the stream.
   */
  refuse(error: WeldrError): void;
  /** The client left, or must leave: the stream is gone. */
  abort(error: WeldrError): void;
}

/** One request to an upstream and its response. Calls a {@link ResponseReceiver}. */
export interface UpstreamStream {
  /** Was its connection used before? */
  readonly reused: boolean;
  /** Is its connection open, so that a body may follow the head? */
  readonly connected: boolean;
  /** The form that it prefers for the body of a request. */
  readonly takes: BodyForm;
  /** Sends a request head, and a small body that has already arrived. Called once. */
  send(request: OutboundRequest, body: string | undefined, receiver: ResponseReceiver): void;
  /** Keeps what is written until {@link uncork}, so that it leaves together. */
  cork(): void;
  uncork(): void;
  /** Sends a part of the request body; false: wait for `onDrain`. */
  write(bytes: Buffer | string): boolean;
  /** All of the client's body has come; a transform may still have some of it to hand over. */
  clientSent(): void;
  /** All of the request body was handed over; `trailers`: of chunks whose end is still to be written. */
  endRequest(trailers: HeaderList | undefined): void;
  /** Hands nothing on until {@link release}: the client is slower, or a stage is still working. */
  hold(): void;
  release(): void;
  /** Ends the stream without notifying its receiver. HTTP/1.1 must end its connection with it. */
  cancel(): void;
}

/** Receives an upstream's response: an exchange. Ranges are valid during the call only. */
export interface ResponseReceiver {
  /** The connection is open: a body may follow. Not called if it was open before. */
  onConnected(): void;
  /** A 1xx head other than 101. */
  onInterim(response: InboundResponse): void;
  /** Takes the final head; returns the form in which to hand on the body. May call {@link UpstreamStream.hold}. */
  onHead(response: InboundResponse): BodyForm;
  onBody(buffer: Buffer, start: number, end: number): void;
  /** Takes a size line to write in place of the original, if the body comes in chunks. */
  onBodyLine(line: string): void;
  /** The response is complete, the stream is over. `trailers`: of chunks whose end is still to be written. */
  onBodyEnd(trailers: HeaderList | undefined): void;
  /** All that one read brought has been handed on. */
  onReadEnd(): void;
  /** A 101 that was asked for: the connection belongs to the receiver from now on. */
  onUpgraded(response: InboundResponse, socket: Duplex, rest: Buffer): void;
  /** The bytes written have left; more may follow. */
  onDrain(): void;
  /** The attempt has failed, for good. */
  onAttemptError(error: WeldrError): void;
}
