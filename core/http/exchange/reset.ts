// Reset: ends a client's connection so that the client notices at once, and takes no part of an answer for the whole.
import { Socket } from 'node:net';

/** Sends a reset where the connection is of TCP, over TLS as well, and closes it anywhere else. */
export function reset(socket: Socket): void {
  const raw = carrierOf(socket);
  try {
    raw.resetAndDestroy();
  } catch {
    // A unix socket knows no reset.
    raw.destroy();
  }
  if (raw !== socket) socket.destroy();
}

/** The socket below TLS: Node keeps it, has no other way to tell, and resets no other. */
function carrierOf(socket: Socket): Socket {
  const parent: unknown = Reflect.get(socket, '_parent');
  return parent instanceof Socket ? parent : socket;
}
