// Reset: ends a client's connection so that the client notices at once and does not mistake a partial response for a
// complete one.
import { Socket } from 'node:net';

/** Resets a TCP connection, below TLS if need be; closes any other. */
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

/** The socket below TLS, the only one that Node can reset. Node offers no other way to find it. */
function carrierOf(socket: Socket): Socket {
  const parent: unknown = Reflect.get(socket, '_parent');
  return parent instanceof Socket ? parent : socket;
}
