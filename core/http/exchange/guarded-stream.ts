// Guarded streams: plugins' streams whose exceptions cannot end a worker, whether Node or the core calls them.
import { Stream } from 'node:stream';
import { isPromise } from 'node:util/types';

/** Methods that the author of a stream implements and Node calls. */
const ownMethods = ['_construct', '_write', '_writev', '_final', '_read', '_transform', '_flush'];

/** Methods of every stream that Node and the core call. Listeners of the plugin run within `emit`. */
const commonMethods = ['write', 'end', 'read', 'pause', 'resume', 'isPaused', 'unpipe', 'destroy'];

/**
 * Passes everything that the stream's own methods, its overrides and its listeners throw or reject with to `fail`. Returns
 * the stream. Throws a TypeError if it cannot be guarded, for example because it is frozen.
 */
export function guardedStream(stream: Stream.Duplex, fail: (thrown: unknown) => void): Stream.Duplex {
  for (const name of ownMethods) {
    const method: unknown = Reflect.get(stream, name);
    // Node flushes a transform twice if its `_final` is not Node's own.
    if (method !== Stream.Transform.prototype._final) guard(stream, name, method, fail);
  }
  for (const name of commonMethods) {
    const method: unknown = Reflect.get(stream, name);
    if (method !== Reflect.get(Stream.Duplex.prototype, name)) guard(stream, name, method, fail);
  }
  guard(stream, 'emit', stream.emit, fail);
  return stream;
}

function guard(stream: Stream.Duplex, name: string, method: unknown, fail: (thrown: unknown) => void): void {
  if (typeof method !== 'function') return;
  const value = (...args: unknown[]): unknown => {
    try {
      const result: unknown = Reflect.apply(method, stream, args);
      if (isPromise(result)) result.catch(fail);
      return result;
    } catch (thrown) {
      fail(thrown);
      return undefined;
    }
  };
  if (Reflect.defineProperty(stream, name, { configurable: true, writable: true, value })) return;
  throw new TypeError(`its ${name} cannot be guarded`);
}

/** Destroys a stream, whatever its own `destroy` does, and ignores its later errors. */
export function destroyStream(stream: Stream.Duplex): void {
  try {
    if (stream.destroyed) return;
    stream.on('error', () => {});
    stream.destroy();
    if (!stream.destroyed) Stream.Duplex.prototype.destroy.call(stream);
  } catch {
    // It only looks like a stream: Node's constructor never ran, so there is nothing to free.
  }
}
