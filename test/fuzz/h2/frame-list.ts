// The frames in the bytes of a client, as far as they can be separated.
import { clientPreface } from '../../../core/http/h2/frames.ts';

/** One frame; the last one may be cut. */
export interface ListedFrame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  /** As declared by its header. */
  readonly length: number;
  readonly payload: Buffer;
  /** Where it ends, or would end. */
  readonly end: number;
}

/** Lists the frames in order. */
export function listFrames(bytes: Buffer): ListedFrame[] {
  const frames: ListedFrame[] = [];
  for (let at = clientPreface.length; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3);
    const end = at + 9 + length;
    frames.push({
      type: bytes[at + 3] ?? 0,
      flags: bytes[at + 4] ?? 0,
      stream: bytes.readUInt32BE(at + 5) & 0x7fffffff,
      length,
      payload: bytes.subarray(at + 9, end),
      end,
    });
    at = end;
  }
  return frames;
}
