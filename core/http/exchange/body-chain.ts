// BodyChain: the transforms of one body, joined: chunks in, chunks out, flush, back-pressure.
import { type Duplex, pipeline, Stream } from 'node:stream';
import { describeError, toError, WeldrError } from '../../errors.ts';

/** Who gets what comes out of a chain. */
export interface BodyChainReceiver {
  /** Bytes to pass on; the chain keeps none of them. */
  onChainBytes(bytes: Buffer): void;
  /** All has come out. */
  onChainEnd(): void;
  /** More can be written. */
  onChainDrain(): void;
  /** It has failed, for good. */
  onChainError(error: WeldrError): void;
}

/** The transforms of one body. */
export class BodyChain {
  private readonly receiver: BodyChainReceiver;
  private readonly first: Duplex;
  private readonly last: Duplex;
  private over = false;
  private ended = false;
  private blocked = false;

  /** Throws PLUGIN_FAILED when a transform is no stream, with what its factory throws. */
  constructor(factories: readonly (() => Duplex)[], receiver: BodyChainReceiver) {
    this.receiver = receiver;
    const streams = factories.map(make);
    const [first = make(() => new Stream.PassThrough())] = streams;
    this.first = first;
    this.last = streams.at(-1) ?? first;
    if (streams.length > 1) pipeline(streams, error => this.fail(error ?? undefined));
    for (const stream of streams) stream.on('error', error => this.fail(error));
    this.last.on('close', () => {
      if (!this.last.readableEnded) this.fail(new Error('a transform was closed early'));
    });
    first.on('drain', () => {
      this.blocked = false;
      if (!this.over) receiver.onChainDrain();
    });
    this.last.on('data', (bytes: unknown) => {
      if (this.over) return;
      // A stream in object mode may pass on anything.
      const chunk = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
      if (!Buffer.isBuffer(chunk)) this.fail(new Error('it passed on what is neither a Buffer nor a string'));
      else if (chunk.length > 0) receiver.onChainBytes(chunk);
    });
    this.last.on('end', () => {
      if (this.over) return;
      this.over = true;
      receiver.onChainEnd();
    });
  }

  /** Is it a transform that has to go on now? */
  get owes(): boolean {
    return !this.over && (this.ended || this.blocked);
  }

  /** Takes bytes, a copy of them; false: wait for `onChainDrain`. */
  write(bytes: Uint8Array | string): boolean {
    if (this.over) return true;
    const copy = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
    try {
      this.blocked = !this.first.write(copy);
    } catch (thrown) {
      this.failLater(thrown);
    }
    return !this.blocked;
  }

  /** No more bytes come. */
  end(): void {
    this.ended = true;
    if (this.over) return;
    try {
      this.first.end();
    } catch (thrown) {
      this.failLater(thrown);
    }
  }

  /** Hands nothing on until {@link resume}. */
  pause(): void {
    this.last.pause();
  }

  resume(): void {
    if (this.last.isPaused()) this.last.resume();
  }

  /** Ends it without a word to its receiver. */
  destroy(): void {
    this.over = true;
    this.first.destroy();
    this.last.destroy();
  }

  /** The caller is in the midst of a body, and hears of it when it is done with the chunk. */
  private failLater(thrown: unknown): void {
    process.nextTick(() => this.fail(toError(thrown)));
  }

  private fail(error: Error | undefined): void {
    if (this.over || error === undefined) return;
    this.destroy();
    this.receiver.onChainError(
      new WeldrError('PLUGIN_FAILED', `a body transform failed: ${describeError(error)}`, {
        cause: error,
        stage: 'transform',
      }),
    );
  }
}

function make(factory: () => Duplex): Duplex {
  let made: unknown;
  try {
    made = factory();
  } catch (thrown) {
    throw new WeldrError('PLUGIN_FAILED', `a body transform cannot be made: ${describeError(thrown)}`, {
      cause: thrown,
      stage: 'transform',
    });
  }
  if (made instanceof Stream.Duplex) {
    if (!made.destroyed && !made.writableEnded && !made.readableEnded) return made;
    throw new WeldrError(
      'PLUGIN_FAILED',
      'a body transform was used before: its factory makes a new one each time',
      {
        stage: 'transform',
      },
    );
  }
  throw new WeldrError('PLUGIN_FAILED', 'a body transform is no Duplex stream of Node', {
    stage: 'transform',
  });
}
