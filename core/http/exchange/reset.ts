// Reset: ends a client's connection so that the client notices at once, and does not take a part of a response for all of it.
import { Socket } from 'node:net';

/** Resets a TCP connection, also below TLS; closes any other. */
export function reset(socket: Socket): void {
  const raw = carrierOf(socket);
  try {
    raw.resetAndDestroy();
  } catch {
    // A unix socket cannot be reset.
    raw.destroy();
  }
  if (raw !== socket) socket.destroy();
}

/** The socket below TLS: Node keeps it, offers no other way to find it, and can reset no other. */
function carrierOf(socket: Socket): Socket {
  const parent: unknown = Reflect.get(socket, '_parent');
  return parent instanceof Socket ? parent : socket;
}
