// Compressor: creates the streams that compress bodies, each with bounded memory, and counts the active ones.
import type { Duplex } from 'node:stream';
import type { Coding } from './coding.ts';

/** The compression level of each coding. */
export type Levels = Readonly<Record<Coding, number>>;

/** 256 KB and 512 KB: larger windows gain little on pages, and each response holds one. */
const brotliWindow = 18;
const zstdWindow = 19;

/** Creates the streams of one plugin. */
export class Compressor {
  private readonly zlib = process.getBuiltinModule('node:zlib');
  private readonly levels: Levels;
  private active = 0;

  constructor(levels: Levels) {
    this.levels = levels;
  }

  /** The number of active streams. */
  get streams(): number {
    return this.active;
  }

  /**
   * Returns a stream for one body. `flush`: each piece is output at once instead of waiting for more.
   * @param length bytes of the body; below 0: unknown
   */
  start(coding: Coding, length: number, flush: boolean): Duplex {
    const stream = this.make(coding, length, flush);
    this.active++;
    stream.once('close', () => {
      this.active--;
    });
    return stream;
  }

  private make(coding: Coding, length: number, flush: boolean): Duplex {
    const { constants, createBrotliCompress, createGzip, createZstdCompress } = this.zlib;
    const level = this.levels[coding];
    if (coding === 'gzip') return createGzip({ level, ...(flush && { flush: constants.Z_SYNC_FLUSH }) });
    if (coding === 'br') {
      const params: Record<number, number> = {
        [constants.BROTLI_PARAM_QUALITY]: level,
        [constants.BROTLI_PARAM_LGWIN]: brotliWindow,
      };
      if (length > 0 && length < 2 ** 30) params[constants.BROTLI_PARAM_SIZE_HINT] = length;
      return createBrotliCompress({ params, ...(flush && { flush: constants.BROTLI_OPERATION_FLUSH }) });
    }
    const params = {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: zstdWindow,
    };
    return createZstdCompress({ params, ...(flush && { flush: constants.ZSTD_e_flush }) });
  }
}
