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
    const streams = makeAll(factories);
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
    this.last.on('data', (given: unknown) => {
      if (this.over) return;
      const bytes = bytesOf(given);
      if (bytes === undefined) this.fail(new TypeError('it gave what is neither bytes nor text'));
      else if (bytes.length > 0) receiver.onChainBytes(bytes);
    });
    this.last.on('end', () => {
      if (this.over) return;
      this.over = true;
      receiver.onChainEnd();
    });
  }

  /** Is it a transform that has to go on now? */
  get owes(): boolean {
    return !this.over && !this.last.isPaused() && (this.ended || this.blocked);
  }

  /** Takes bytes, a copy of them; false: wait for `onChainDrain`. */
  write(bytes: Uint8Array | string): boolean {
    if (this.over) return true;
    const copy = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : Buffer.from(bytes);
    this.blocked = !this.first.write(copy);
    return !this.blocked;
  }

  /** No more bytes come. */
  end(): void {
    this.ended = true;
    if (!this.over) this.first.end();
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

/** All streams, or none: those before one that cannot be made would hold what they opened. */
function makeAll(factories: readonly (() => Duplex)[]): Duplex[] {
  const streams: Duplex[] = [];
  try {
    for (const factory of factories) streams.push(make(factory));
  } catch (thrown) {
    for (const stream of streams) stream.on('error', () => {}).destroy();
    throw thrown;
  }
  return streams;
}

/** Streams that are, or were, part of a chain: in a second one, the bodies of two requests would mix. */
const used = new WeakSet<Duplex>();

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
  if (!(made instanceof Stream.Duplex)) {
    if (made instanceof Promise) made.catch(() => {});
    const what = made instanceof Promise ? 'a promise, which is not waited for' : 'no Duplex stream of Node';
    throw new WeldrError('PLUGIN_FAILED', `a body transform is ${what}`, { stage: 'transform' });
  }
  if (used.has(made) || made.destroyed) {
    const why = 'a body transform was used before; its factory has to make a new stream each time';
    throw new WeldrError('PLUGIN_FAILED', why, { stage: 'transform' });
  }
  used.add(made);
  return guarded(made);
}

/** What a stream calls of its own, and whose exceptions would end the process. */
const ownMethods = ['_construct', '_write', '_writev', '_final', '_read', '_transform', '_flush'];

/** A stream whose own methods destroy it when they throw or reject. */
function guarded(stream: Duplex): Duplex {
  const fail = (thrown: unknown): void => void stream.destroy(toError(thrown));
  for (const name of ownMethods) {
    const method: unknown = Reflect.get(stream, name);
    // Node flushes a transform twice whose `_final` is not its own.
    if (typeof method !== 'function' || method === Stream.Transform.prototype._final) continue;
    const guard = (...args: unknown[]): unknown => {
      try {
        const result: unknown = Reflect.apply(method, stream, args);
        if (result instanceof Promise) result.catch(fail);
        return result;
      } catch (thrown) {
        fail(thrown);
        return undefined;
      }
    };
    Reflect.defineProperty(stream, name, { configurable: true, writable: true, value: guard });
  }
  return stream;
}

/** Undefined: it is none. */
function bytesOf(given: unknown): Buffer | undefined {
  if (Buffer.isBuffer(given)) return given;
  if (typeof given === 'string') return Buffer.from(given);
  if (given instanceof Uint8Array) return Buffer.from(given.buffer, given.byteOffset, given.byteLength);
  return undefined;
}
