// Ports for tests that need one before a server listens on it.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Returns a port of 127.0.0.1 that is free now. Listen on port 0 instead wherever possible. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Resolves with whether a server listens at `HOST:PORT`. */
export async function isOpen(address: string): Promise<boolean> {
  const [host, port] = address.split(':');
  const socket = connect(Number(port), host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
