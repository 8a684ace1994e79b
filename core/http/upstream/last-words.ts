// Last words: reads what a peer sent before it closed, even if a write notices the close first.
import type { Duplex } from 'node:stream';

type Done = (error?: Error | null) => void;

/** Error codes of a write to a connection that the peer has closed. */
const closedCodes: ReadonlySet<unknown> = new Set(['EPIPE', 'ECONNRESET']);

/**
 * Lets a socket be read to its end after a write has failed. An upstream that refuses an upload responds and closes, and the
 * write that fails because of the close happens before the response is read. Node destroys a socket whose write fails, and
 * has no option to prevent that. So the failed write is not reported to the stream: it stays pending, which holds back all
 * others, and the socket is destroyed with the error once everything that has arrived is read.
 *
 * `wanted` is called with the error of the write; if it returns false, because nothing is expected from the peer, the socket
 * ends at once.
 */
export function hearOut<S extends Duplex>(socket: S, wanted: (error: Error) => boolean): S {
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  // A stream has at most one write pending.
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
