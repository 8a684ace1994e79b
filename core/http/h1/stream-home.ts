// H1StreamHome: the connection of an HTTP/1.1 client stream, as the stream sees it.
import type { Duplex } from 'node:stream';
import type { Waiting } from '../exchange/deadlines.ts';
import type { Peer } from '../exchange/streams.ts';

/** Reads and writes for its stream, which sets its deadline while a request is under way. */
export interface H1StreamHome extends Pick<Waiting, 'deadline'> {
  readonly peer: Peer;
  /** The client has closed its side. */
  readonly ended: boolean;
  /** Is the next response the last one? */
  readonly ending: boolean;
  /** Is reading paused, because the bytes could not be passed on? */
  readonly paused: boolean;
  /** Is the client behind with reading? */
  readonly blocked: boolean;
  /** Bytes that were read and not taken yet. */
  readonly available: number;
  /** Do these bytes end in an empty line, as a chunked body does? */
  readonly endsEmpty: boolean;
  /** Writes latin1 text; false: the client is slower, wait for `onDrain`. */
  write(text: string): boolean;
  /** Writes a copy of bytes whose buffer is used again. */
  writeShared(buffer: Buffer, start: number, end: number): boolean;
  /** Takes this many bytes as latin1 text; undefined: fewer have arrived. */
  takeText(length: number): string | undefined;
  /** Takes back bytes that were read and belong to a later request. */
  unread(bytes: Buffer): void;
  /** Hands on the body bytes which have arrived, and reads more. */
  readOn(): void;
  pause(): void;
  resume(): void;
  /** Bytes must move in one direction or the other. */
  awaitBody(): void;
  /** The client closed its sending side or left: which of the two shows when something is written. */
  awaitHalfClosed(): void;
  /**
   * The response is complete. `close`: the client asked for the connection to end with it. `linger`: it did not, and may
   * still be sending.
   */
  responseComplete(next: 'keep-alive' | 'close' | 'linger'): void;
  /** Gives the socket to a tunnel, with bytes that were read already. */
  handOver(): { readonly socket: Duplex; readonly rest: Buffer };
  /** Ends the connection in a way that shows the response to be incomplete. */
  cut(how: 'close' | 'reset'): void;
  close(): void;
}
