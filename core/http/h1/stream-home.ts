// H1StreamHome: the connection of an HTTP/1.1 client stream, as the stream sees it.
import type { Duplex } from 'node:stream';
import type { Waiting } from '../exchange/deadlines.ts';
import type { Peer } from '../exchange/streams.ts';

/** Reads and writes for its stream, which sets the connection's deadline during a request. */
export interface H1StreamHome extends Pick<Waiting, 'deadline'> {
  readonly peer: Peer;
  /** Whether the client has closed its sending side. */
  readonly ended: boolean;
  /** Whether the next response is the last one. */
  readonly ending: boolean;
  /** Whether reading is paused because the bytes could not be passed on. */
  readonly paused: boolean;
  /** Whether the client is slow to read. */
  readonly blocked: boolean;
  /** How many bytes were read and not taken yet. */
  readonly available: number;
  /** Whether the bytes not taken yet end in an empty line, as a chunked body does. */
  readonly endsEmpty: boolean;
  /** Writes latin1 text. Returns false to wait for `onDrain`, because the client is slower. */
  write(text: string): boolean;
  /** Writes a copy of bytes whose buffer will be reused. */
  writeShared(buffer: Buffer, start: number, end: number): boolean;
  /** Takes this many bytes as latin1 text; undefined if fewer have arrived. */
  takeText(length: number): string | undefined;
  /** Takes back bytes that were read and belong to a later request. */
  unread(bytes: Buffer): void;
  /** Hands on the body bytes that have arrived, and reads more. */
  readOn(): void;
  pause(): void;
  resume(): void;
  /** Limits the time until bytes move in one direction or the other. */
  awaitBody(): void;
  /** Limits the wait of a client that closed its sending side, or left: only a write can tell which. */
  awaitHalfClosed(): void;
  /**
   * Called when the response is complete. `close`: end the connection, as the client asked. `linger`: end it, although the
   * client did not ask and may still be sending.
   */
  responseComplete(next: 'keep-alive' | 'close' | 'linger'): void;
  /** Gives the socket to a tunnel, with the bytes that have already been read. */
  handOver(): { readonly socket: Duplex; readonly rest: Buffer };
  /** Ends the connection in a way that shows that the response is incomplete. */
  cut(how: 'close' | 'reset'): void;
  close(): void;
}
