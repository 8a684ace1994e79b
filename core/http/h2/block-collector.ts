// BlockCollector: collects a field block from HEADERS and the CONTINUATION frames after it (RFC 9113 section 4.3).

const nothing = Buffer.alloc(0);
const leastBytes = 1024;
const maxContinuations = 16;
const maxEmptyContinuations = 1;

/** Collects one block at a time, and holds memory only while one is incomplete. */
export class BlockCollector {
  /** The stream of the incomplete block; 0 if there is none. */
  streamId = 0;
  endStream = false;
  /** Whether the stream depends on itself. */
  selfDependent = false;
  bytes: Buffer = nothing;
  length = 0;
  private readonly maxBytes: number;
  private continuations = 0;
  private emptyContinuations = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  begin(streamId: number, endStream: boolean): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.selfDependent = false;
    this.continuations = 0;
    this.emptyContinuations = 0;
  }

  /** Counts a CONTINUATION frame. Returns what is wrong if there are too many, otherwise ''. */
  countContinuation(bytes: number): string {
    if (bytes === 0) this.emptyContinuations++;
    this.continuations++;
    if (this.emptyContinuations > maxEmptyContinuations) return 'empty CONTINUATION frames';
    return this.continuations > maxContinuations ? `over ${maxContinuations} CONTINUATION frames` : '';
  }

  /** Returns whether a fragment of this many bytes may follow. */
  hasRoomFor(bytes: number): boolean {
    return this.length + bytes <= this.maxBytes;
  }

  /** Appends part of a fragment. Memory grows with the bytes that arrive, not with those announced. */
  add(buffer: Buffer, start: number, end: number): void {
    const needed = this.length + end - start;
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length, leastBytes));
      this.bytes.copy(larger, 0, 0, this.length);
      this.bytes = larger;
    }
    buffer.copy(this.bytes, this.length, start, end);
    this.length = needed;
  }

  /** Ends the block, and frees its memory. */
  end(): void {
    this.streamId = 0;
    this.bytes = nothing;
    this.length = 0;
  }
}
