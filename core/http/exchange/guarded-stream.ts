// Guarded streams: a stream of a plugin whose exceptions, wherever Node or the core calls it, end no worker.
import { Stream } from 'node:stream';
import { isPromise } from 'node:util/types';

/** What Node calls of a stream's own. */
const ownMethods = ['_construct', '_write', '_writev', '_final', '_read', '_transform', '_flush'];

/** What Node and the core call of every stream; listeners of the plugin run within `emit`. */
const commonMethods = ['write', 'end', 'read', 'pause', 'resume', 'isPaused', 'unpipe', 'destroy'];

/**
 * Has `fail` called with whatever the stream's own methods, those that it overrides, and its listeners throw or reject
 * with. Returns the stream; throws a TypeError for one that takes no guards, such as a frozen one.
 */
export function guardedStream(stream: Stream.Duplex, fail: (thrown: unknown) => void): Stream.Duplex {
  for (const name of ownMethods) {
    const method: unknown = Reflect.get(stream, name);
    // Node flushes a transform twice whose `_final` is not its own.
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

/** Destroys a stream, whatever it made of its own `destroy`; what it still says afterwards is not heard. */
export function destroyStream(stream: Stream.Duplex): void {
  try {
    if (stream.destroyed) return;
    stream.on('error', () => {});
    stream.destroy();
    if (!stream.destroyed) Stream.Duplex.prototype.destroy.call(stream);
  } catch {
    // It only looks like a stream: Node's constructor made nothing of it that would have to be let go.
  }
}
