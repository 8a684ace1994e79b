// H2Stream and its home: what an HTTP/2 connection asks of its streams, and what these ask of their connection.
import type { HeaderList } from '../../request/headers.ts';
import type { Peer } from '../exchange/streams.ts';
import type { ConnectionHome } from '../upstream/connection-cache.ts';
import type { Ending } from './frame-writer.ts';

/** What a connection asks of its streams. */
export interface H2Stream {
  readonly id: number;
  /** Bytes that the peer lets it send. */
  window: number;
  /** Bytes that the peer may still send on it. */
  allowed: number;
  /** Bytes that were taken and not yet announced to the peer. Kept by the connection. */
  used: number;
  /** Does it have something to send that waits for a window or for the connection? */
  readonly waits: boolean;
  /** Has the peer said that no more comes from it? */
  readonly halfClosed: boolean;
  /** Takes bytes of a body, which are valid during the call. False: they are more than was announced. */
  onBody(buffer: Buffer, start: number, end: number): boolean;
  /** The peer has sent all of it. False: the body is less than was announced. */
  onEnd(trailers: HeaderList | undefined): boolean;
  /** Windows are open, or the connection takes more: sends what waits. */
  sendPending(): void;
  /** The connection takes more. */
  onDrain(): void;
}

/** The connection of a stream, as the stream sees it; `S`: its streams. */
export interface H2StreamHome<S> {
  /** Is the peer behind with reading? */
  readonly blocked: boolean;
  /** `fields`: name and value in turn; `neverIndexed`: names of those that no table may remember. */
  sendHead(
    id: number,
    fields: readonly string[],
    neverIndexed: ReadonlySet<string> | undefined,
    ending: Ending,
  ): void;
  /** Sends as many of the bytes as the windows and the connection take now, and returns how many. */
  sendData(stream: S, buffer: Buffer, start: number, end: number, isLast: boolean): number;
  /** Ends a body without bytes. */
  endData(id: number): void;
  /** The stream has something to send, and cannot. */
  await(stream: S): void;
  reset(stream: S, code: number): void;
  /** Bytes of a body were taken: the peer may send more. */
  consumed(stream: S, bytes: number): void;
  /** A response is complete. */
  completed(): void;
  /** A stream is over. */
  forget(stream: S): void;
}

/** The connection of a client's stream. */
export interface H2ClientStreamHome<S> extends H2StreamHome<S> {
  readonly peer: Peer;
}

/** The connection of a stream to an upstream. */
export interface H2UpstreamStreamHome<S> extends H2StreamHome<S> {
  readonly home: ConnectionHome;
  readonly scheme: 'http' | 'https';
  /** How often something was read. */
  readonly reads: number;
  /** Returns why a head cannot be sent; undefined: it can. */
  problemWith(fields: readonly string[]): string | undefined;
  /** Begins a stream with its head. */
  begin(
    stream: S,
    fields: readonly string[],
    neverIndexed: ReadonlySet<string> | undefined,
    ending: Ending,
  ): void;
  /** Resets a stream for what the peer did on it. */
  fail(stream: S, code: number, reason: string): void;
  /** A stream has waited in vain: the connection takes no others before it has shown that it lives. */
  probe(): void;
}
