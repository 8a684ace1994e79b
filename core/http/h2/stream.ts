// H2Stream and its home: what an HTTP/2 connection asks of its streams, and what streams ask of their connection.
import type { HeaderList } from '../../request/headers.ts';
import type { Peer } from '../exchange/streams.ts';
import type { ConnectionHome } from '../upstream/upstream-connection.ts';
import type { Ending } from './frame-writer.ts';

/** What a connection asks of its streams. */
export interface H2Stream {
  readonly id: number;
  /** How many bytes the peer lets it send. */
  window: number;
  /** How many bytes the peer may still send on it. */
  allowed: number;
  /** How many bytes were taken and not yet announced to the peer. Set by the connection. */
  used: number;
  /** Whether it has something to send that waits for a window or the connection. */
  readonly waits: boolean;
  /** Whether the peer has ended its side. */
  readonly halfClosed: boolean;
  /** Takes bytes of a body, valid only during the call. Returns false if they exceed the announced length. */
  onBody(buffer: Buffer, start: number, end: number): boolean;
  /** The peer has sent everything. Returns false if the body is shorter than announced. */
  onEnd(trailers: HeaderList | undefined): boolean;
  /** Sends what waits, because windows have opened or the connection can take more. */
  sendPending(): void;
  /** The connection can take more. */
  onDrain(): void;
}

/** The connection of a stream, as the stream sees it; `S`: its streams. */
export interface H2StreamHome<S> {
  /** Whether the peer is slow to read. */
  readonly blocked: boolean;
  /** `fields`: alternating names and values. `neverIndexed`: names of fields that must stay out of all tables. */
  sendHead(
    id: number,
    fields: readonly string[],
    neverIndexed: ReadonlySet<string> | undefined,
    ending: Ending,
  ): void;
  /** Sends as many of the bytes as the windows and the connection allow now, and returns how many. */
  sendData(stream: S, buffer: Buffer, start: number, end: number, isLast: boolean): number;
  /** Ends a body without more bytes. */
  endData(id: number): void;
  /** Called when the stream has something to send and cannot. */
  await(stream: S): void;
  reset(stream: S, code: number): void;
  /** Called when bytes of a body have been taken, so the peer may send more. */
  consumed(stream: S, bytes: number): void;
  /** Called when a response is complete. */
  completed(): void;
  /** Called when a stream has ended. */
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
  /** How many reads there were. */
  readonly reads: number;
  /** Returns why a head cannot be sent; undefined if it can. */
  problemWith(fields: readonly string[]): string | undefined;
  /** Opens a stream with its head. */
  begin(
    stream: S,
    fields: readonly string[],
    neverIndexed: ReadonlySet<string> | undefined,
    ending: Ending,
  ): void;
  /** Resets a stream for what the peer did on it. */
  fail(stream: S, code: number, reason: string): void;
  /** Called when a stream timed out. The connection takes no others until the upstream shows a sign of life. */
  probe(): void;
}
