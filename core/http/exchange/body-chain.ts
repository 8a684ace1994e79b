// BodyChain: the transforms of one body, connected in order, with flush and back-pressure.
import { type Duplex, pipeline, Stream } from 'node:stream';
import { describeError, WeldrError } from '../../errors.ts';
import type { AskedTransform, BodyTransform } from '../../request/body-transform.ts';
import { destroyStream, guardedStream } from './guarded-stream.ts';

/** Receives what comes out of a chain. */
export interface BodyChainReceiver {
  /** Bytes to pass on; the chain keeps none of them. */
  onChainBytes(bytes: Buffer): void;
  /** Everything has come out. */
  onChainEnd(): void;
  /** More can be written. */
  onChainDrain(): void;
  /** The chain has failed for good. */
  onChainError(error: WeldrError): void;
  /** A stream threw after the chain had ended or was destroyed: for the log. */
  onLateError(error: WeldrError): void;
}

/** The transforms of one body. */
export class BodyChain {
  private readonly receiver: BodyChainReceiver;
  private readonly plugins: readonly string[];
  private readonly streams: Duplex[] = [];
  private readonly first: Duplex;
  private readonly last: Duplex;
  private over = false;
  private failed = false;
  private ended = false;
  private blocked = false;
  private paused = false;

  /** Throws PLUGIN_FAILED if a transform is not a stream, or its factory throws. */
  constructor(transforms: readonly AskedTransform[], receiver: BodyChainReceiver) {
    this.receiver = receiver;
    this.plugins = transforms.map(({ plugin }) => plugin);
    try {
      for (const { make, plugin } of transforms) {
        this.streams.push(streamOf(make, plugin, thrown => this.onThrown(thrown, plugin)));
      }
      const [first = new Stream.PassThrough()] = this.streams;
      this.first = first;
      this.last = this.streams.at(-1) ?? first;
      this.join();
    } catch (thrown) {
      // Transforms created before one that fails would leak what they opened.
      this.destroy();
      throw thrown instanceof WeldrError
        ? thrown
        : transformFailure(this.plugin, 'a body transform failed', thrown);
    }
  }

  /** The plugins that asked for the transforms, each once. */
  get plugin(): string {
    return [...new Set(this.plugins)].join(', ');
  }

  private join(): void {
    const { first, last, receiver, streams, plugins } = this;
    const lastPlugin = plugins.at(-1) ?? '';
    // Before they are piped together, because an error of one then ends all others.
    for (const [at, stream] of streams.entries()) {
      stream.on('error', error => this.fail(error, plugins[at] ?? ''));
    }
    if (streams.length > 1) {
      pipeline(streams, error => {
        if (error) this.fail(error, this.plugin);
      });
    }
    last.on('close', () => this.fail(new Error('a transform was closed early'), lastPlugin));
    first.on('drain', () => {
      this.blocked = false;
      if (!this.over) receiver.onChainDrain();
    });
    last.on('data', (given: unknown) => {
      if (this.over) return;
      const bytes = bytesOf(given);
      if (bytes === undefined) this.fail(new TypeError('it produced neither bytes nor text'), lastPlugin);
      else if (bytes.length > 0) receiver.onChainBytes(bytes);
    });
    last.on('end', () => {
      if (this.over) return;
      this.over = true;
      receiver.onChainEnd();
    });
  }

  /** Whether it is a transform's turn to act. */
  get owes(): boolean {
    return !this.over && !this.paused && (this.ended || this.blocked);
  }

  /** Takes a copy of the bytes. Returns false if the next write must wait for `onChainDrain`. */
  write(bytes: Uint8Array | string): boolean {
    if (this.over) return true;
    const copy = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
    this.blocked = !this.first.write(copy);
    return !this.blocked;
  }

  /** Called when no more bytes will come. */
  end(): void {
    this.ended = true;
    if (!this.over) this.first.end();
  }

  /** Hands nothing on until {@link resume}. */
  pause(): void {
    this.paused = true;
    this.last.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.last.resume();
  }

  /** Ends it without notifying its receiver. */
  destroy(): void {
    this.over = true;
    for (const stream of this.streams) destroyStream(stream);
  }

  private fail(error: unknown, plugin: string): void {
    if (this.over) return;
    this.failed = true;
    this.destroy();
    this.receiver.onChainError(transformFailure(plugin, 'a body transform failed', error));
  }

  /** Called when a plugin's stream or listener threw. Acts on the next tick: a call of the receiver may still be running. */
  private onThrown(thrown: unknown, plugin: string): void {
    process.nextTick(() => {
      if (!this.over) this.fail(thrown, plugin);
      else if (!this.failed)
        this.receiver.onLateError(transformFailure(plugin, 'a body transform failed', thrown));
    });
  }
}

/** Returns the error of a transform. `thrown`: what it threw, if that is the cause. */
export function transformFailure(plugin: string, what: string, thrown?: unknown): WeldrError {
  const why = thrown === undefined ? what : `${what}: ${describeError(thrown)}`;
  return new WeldrError('PLUGIN_FAILED', `plugin ${plugin} in transform: ${why}`, {
    cause: thrown,
    plugin,
    stage: 'transform',
  });
}

/** Streams that are or were part of a chain. In a second chain they would mix the bodies of two requests. */
const used = new WeakSet<Duplex>();

function streamOf(factory: BodyTransform, plugin: string, fail: (thrown: unknown) => void): Duplex {
  let made: unknown;
  try {
    made = factory();
  } catch (thrown) {
    throw transformFailure(plugin, 'a body transform could not be created', thrown);
  }
  if (!(made instanceof Stream.Duplex)) {
    if (made instanceof Promise) made.catch(() => {});
    const what =
      made instanceof Promise ? 'a promise, which is not waited for' : 'not a Duplex stream of Node';
    throw transformFailure(plugin, `a body transform is ${what}`);
  }
  if (used.has(made) || made.destroyed) {
    throw transformFailure(
      plugin,
      'a body transform was used before; its factory must create a new stream each time',
    );
  }
  used.add(made);
  return guardedStream(made, fail);
}

/** Returns undefined for what is neither bytes nor text. */
function bytesOf(given: unknown): Buffer | undefined {
  if (Buffer.isBuffer(given)) return given;
  if (typeof given === 'string') return Buffer.from(given);
  if (given instanceof Uint8Array) return Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  return undefined;
}
