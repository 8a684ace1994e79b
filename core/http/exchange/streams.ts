// Streams: the two ends of an exchange, whatever protocol carries them: what the exchange asks of each, and what each
// calls back. Nothing here knows how a message is written.
import type { Duplex } from 'node:stream';
import type { WeldrError } from '../../errors.ts';
import type { HeaderList } from '../../request/headers.ts';
import type { ProxyFacts } from '../../request/proxy-facts.ts';
import type { HttpVersion } from '../../request/request-state.ts';
import type { TlsFacts } from '../../request/tls-facts.ts';

/**
 * How a body's bytes are handed from one end to the other: the payload alone, or in the chunks of HTTP/1.1, checked
 * and as they came. Chunks pass only from an end which reads them to one that takes them.
 */
export type BodyForm = 'payload' | 'chunks';

/** What one client connection says of itself. */
export interface Peer {
  /** `unix:` for a client of a unix socket, which has no address. */
  readonly ip: string;
  readonly port: number;
  /** Where it connected to, at the proxy in front where that says so; undefined: a unix socket, or it has left. */
  readonly localIp: string | undefined;
  /** 0 for a unix socket. */
  readonly localPort: number;
  /** The name of the `listen` entry that it came by. */
  readonly listener: string;
  /** Is it a proxy whose X-Forwarded-* is believed? */
  readonly trusted: boolean;
  /** Of the connection; undefined: it is not encrypted. */
  tls: TlsFacts | undefined;
  /** What X-Forwarded-Client-Cert says of the certificate that it showed; '': there is none, or nobody wants to know. */
  certified: string;
  /** Of the PROXY header that introduced it; undefined: none did. */
  readonly proxy: ProxyFacts | undefined;
  /** `https` also where the TLS ended at a proxy whose PROXY header says so. */
  readonly scheme: 'http' | 'https';
  /** The lines that describe it, as the last request for `describedHost` got them; most requests name the same. */
  described: string;
  describedHost: string | undefined;
}

/** A request head as a client's stream read it; valid while {@link RequestReceiver.begin} runs. */
export interface InboundRequest {
  readonly method: string;
  /** Origin-form, or `*`. */
  readonly target: string;
  readonly version: HttpVersion;
  /** Host and port that it is for; empty when it names none. */
  readonly host: string;
  /** The lines that may be passed on; the receiver may edit and keep them. */
  readonly headers: HeaderList;
  /** Bytes of the body; 0: none, below 0: not known beforehand. */
  readonly length: number;
  /** How the stream can hand the body on: `chunks` only when it comes so. */
  readonly form: BodyForm;
  /** The protocols that the client asks to change to, when it asked properly. */
  readonly upgrade: string | undefined;
  /** Does the client wait for a 100 before it sends the body? */
  readonly expectContinue: boolean;
  /** Values of all Via lines, comma-joined; '' for none. */
  readonly via: string;
  readonly maxForwards: string | undefined;
  /** Did an X-Forwarded-* or Forwarded line come? */
  readonly hasForwarding: boolean;
  /** Does the client say that it takes fields behind a body (RFC 9110 section 10.1.4)? */
  readonly takesTrailers: boolean;
}

/** A request head for an upstream's stream to write. */
export interface OutboundRequest {
  readonly method: string;
  readonly target: string;
  /** What to send as Host in place of that among `headers`; undefined: that one. */
  readonly host: string | undefined;
  readonly headers: HeaderList;
  /** More field lines, as text: who the client is, and Via. */
  readonly addedLines: string;
  /** Bytes of the body; 0: none, below 0: not known beforehand. */
  readonly length: number;
  /** How the body is going to be handed on. */
  readonly form: BodyForm;
  readonly upgrade: string | undefined;
  /** Does the client wait for the upstream's 100 before it sends the body? */
  readonly expectContinue: boolean;
  /** Does the client say that it takes fields behind a body? */
  readonly takesTrailers: boolean;
  readonly timeouts: UpstreamTimeouts;
}

/** How long an upstream may take, ms. */
export interface UpstreamTimeouts {
  /** Until the connection stands. */
  readonly connect: number;
  /** From the request sent to the response head; does not run while the client's body is awaited. */
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
  /** The length that was announced, also where no body follows (HEAD, 304); undefined: none was. */
  readonly announced: number | undefined;
  /** How the stream can hand the body on: `chunks` only when it came so. */
  readonly form: BodyForm;
  readonly hasDate: boolean;
  /**
   * What says that a body of known length is over: in HTTP/1.1 its last byte; in HTTP/2 a sign of its own, before which
   * there may be trailers.
   */
  readonly endsWith: 'its length' | 'a sign';
  /** The protocol that a 101 changes to. */
  readonly upgrade: string | undefined;
}

/** A response head for a client's stream to write. */
export interface OutboundResponse {
  readonly status: number;
  /** As the upstream sent it; undefined: the usual one of the status. */
  readonly reason: string | undefined;
  readonly headers: HeaderList;
  /** Is there a Date among `headers`? The stream adds one where not. */
  readonly hasDate: boolean;
  /** The length to announce; undefined: it is not known, or there is nothing to announce. */
  readonly length: number | undefined;
  /** Did somebody announce the length? A protocol which ends bodies by itself need not tell one that nobody did. */
  readonly isAnnounced: boolean;
  /** `its length`: no trailers follow a body of known length. */
  readonly endsWith: 'its length' | 'a sign';
  /** Does a body follow, and how is it going to be handed on? */
  readonly body: BodyForm | 'none';
}

/** One request of a client: its reading and its writing side. Calls a {@link RequestReceiver}. */
export interface ClientStream {
  /** The facts of its connection. */
  readonly peer: Peer;
  /** Has all of the request been read? */
  readonly requestComplete: boolean;
  /** The form in which it likes the body of a response best. */
  readonly takes: BodyForm;
  /** Is its request one of gRPC? What Weldr itself has to say is then said in its terms. */
  readonly isGrpc: boolean;
  /** Has any of the final response left? Then no other one can be sent. */
  readonly answered: boolean;
  /**
   * The whole request body as latin1 text, when it has arrived and is small; it stays at hand, so that the request
   * can be sent again. Undefined: there is none, or it must be streamed.
   */
  takeSmallBody(limit: number): string | undefined;
  /** Is all of the request body there, or this much of it, and not handed on yet? */
  bodyThere(limit: number): boolean;
  /** Reads on until that is so, and then calls `onBodyThere`. */
  gatherBody(limit: number): void;
  /**
   * The body may have this many bytes, where that is less than the settings say: over it the receiver is asked to refuse. To be
   * called before {@link resumeBody}; false: more have come already.
   */
  limitBody(bytes: number): boolean;
  /** The receiver wants body bytes now, in this form; the first call decides. */
  resumeBody(form: BodyForm): void;
  /** The rest of the request is not read: HTTP/1.1 must end its connection with the response. */
  readNoMore(): void;
  /** A stage works asynchronously: it has a limited time, and then `onStageTimeout` is called. */
  awaitStage(): void;
  stageDone(): void;
  /** The request as it arrived, as `message/http` (RFC 9110 section 9.3.8). */
  echo(method: string, target: string, host: string): string;
  /** Sends a 1xx response, to a client which can know of them; false: wait for `onClientDrain`. */
  writeInterim(status: number, reason: string | undefined, headers: HeaderList): boolean;
  /** Takes the final head; it leaves with the first bytes of the body or with {@link flush}. */
  writeHead(response: OutboundResponse): void;
  /** Sends body bytes, which may change after the call; false: wait for `onClientDrain`. */
  writeBody(buffer: Buffer, start: number, end: number): boolean;
  /** Sends a chunk's size line, where the body goes in chunks. */
  writeBodyLine(line: string): void;
  /** All of the body was handed over; `trailers`: of chunks whose end is still to be written. */
  endBody(trailers: HeaderList | undefined): void;
  /** Sends the head, if it still waits; false: wait for `onClientDrain`. */
  flush(): boolean;
  /** The response is complete, and the receiver has let go of this stream. */
  finish(): void;
  /** The response cannot be completed, and the client must see that it is not. */
  cut(): void;
  /** Sends the 101 and gives away the connection; `rest`: bytes that were read already. */
  switchProtocols(
    reason: string,
    headers: HeaderList,
    protocol: string,
  ): { readonly socket: Duplex; readonly rest: Buffer };
  /** The tunnel that got the connection has ended. */
  onTunnelClosed(): void;
}

/** Who gets a client's request: an exchange. Ranges of bytes are valid during the call only. */
export interface RequestReceiver {
  /** May body bytes be handed on now? */
  readonly wantsBody: boolean;
  /** Begins the request with this head. */
  begin(request: InboundRequest): void;
  /** What {@link ClientStream.gatherBody} was to wait for has come. */
  onBodyThere(): void;
  /** Body bytes in the form that was asked for. No more may follow while `wantsBody` is false. */
  onRequestBytes(bytes: Buffer | string): void;
  /** The body is whole. `trailers`: of chunks whose end is still to be written. */
  onRequestEnd(trailers: HeaderList | undefined): void;
  /** What was written has left the client's connection. */
  onClientDrain(): void;
  onStageTimeout(): void;
  /**
   * What the client sent cannot be taken: also instead of `begin`, when there is no head. Answered when nothing was
   * yet; the stream is cut else.
   */
  refuse(error: WeldrError): void;
  /** The client left, or must leave: the stream is gone. */
  abort(error: WeldrError): void;
}

/** One request to an upstream and its response. Calls a {@link ResponseReceiver}. */
export interface UpstreamStream {
  /** Was its connection used before this request? */
  readonly reused: boolean;
  /** Does its connection stand, so that a body may follow the head? */
  readonly connected: boolean;
  /** The form in which it likes the body of a request best. */
  readonly takes: BodyForm;
  /** Sends a request head, and the small body that is there already. Once a stream. */
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
  /** Ends the stream without a word to its receiver. HTTP/1.1 must end its connection with it. */
  cancel(): void;
}

/** Who sent a request to an upstream and gets its response: an exchange. Ranges are valid during the call only. */
export interface ResponseReceiver {
  /** The connection stands: a body may follow. Not called for one that stood already. */
  onConnected(): void;
  /** A 1xx head other than 101. */
  onInterim(response: InboundResponse): void;
  /** The final head; returns the form in which the body is to be handed on. May call {@link UpstreamStream.hold}. */
  onHead(response: InboundResponse): BodyForm;
  onBody(buffer: Buffer, start: number, end: number): void;
  /** A size line that is written in place of the original, where the body comes in chunks. */
  onBodyLine(line: string): void;
  /** The response is complete, the stream is over. `trailers`: of chunks whose end is still to be written. */
  onBodyEnd(trailers: HeaderList | undefined): void;
  /** All that one read brought was handed on. */
  onReadEnd(): void;
  /** 101 to a request that asked for it: the connection is the receiver's from now on. */
  onUpgraded(response: InboundResponse, socket: Duplex, rest: Buffer): void;
  /** What was written has left; more may follow. */
  onDrain(): void;
  /** It has failed, for good. */
  onAttemptError(error: WeldrError): void;
}
