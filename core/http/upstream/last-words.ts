// Last words: what a peer sent before it closed, which is read even if a write is the first to meet the close.
import type { Duplex } from 'node:stream';

type Done = (error?: Error | null) => void;

/** Codes of a write on a connection that the peer has closed. */
const closedCodes: ReadonlySet<unknown> = new Set(['EPIPE', 'ECONNRESET']);

/**
 * Lets a socket be read to its end after a write has failed. An upstream that refuses an upload answers and closes, and
 * the write that meets the close comes before the read of the answer. Node destroys a socket whose write fails, and has
 * no option against it. So that write is not reported to the stream: it stays under way, which holds back all others, and
 * the socket is destroyed with its error once all that has arrived was read.
 *
 * `wanted` is called with the error of a write; false: nothing is expected from the peer, and the socket ends at once.
 */
export function hearOut<S extends Duplex>(socket: S, wanted: (error: Error) => boolean): S {
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  // A stream has one write under way.
  let done: Done | undefined;
  const onWritten: Done = error => {
    if (error && isClosed(error) && wanted(error)) socket.once('end', () => socket.destroy(error));
    else done?.(error);
  };
  socket._write = (chunk, encoding, callback) => {
    done = callback;
    write(chunk, encoding, onWritten);
  };
  if (writev !== undefined) {
    socket._writev = (chunks, callback) => {
      done = callback;
      writev(chunks, onWritten);
    };
  }
  return socket;
}

function isClosed(error: Error): boolean {
  return 'code' in error && closedCodes.has(error.code);
}
