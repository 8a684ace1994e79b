// An origin that accepts upgrades and echoes what it receives, like a WebSocket server, and its client.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { Socket } from 'node:net';

/** A running origin. */
export interface UpgradeOrigin {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts an origin on 127.0.0.1. */
export async function startUpgradeOrigin(): Promise<UpgradeOrigin> {
  const sockets = new Set<NodeJS.WritableStream & { destroy(): unknown }>();
  const server = createServer((_, response) => response.writeHead(426).end());
  server.on('upgrade', (_, socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return {
    port: address.port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Upgrades a connection to a proxy and sends a text over it. Resolves with the first text that comes back. */
export async function upgrade(port: number, text: string): Promise<string> {
  const headers = { connection: 'upgrade', upgrade: 'websocket' };
  const asking = request({ host: '127.0.0.1', port, headers, agent: false });
  const refused = once(asking, 'response').then(([{ statusCode }]) => {
    throw new Error(`not upgraded: ${statusCode}`);
  });
  const upgraded = once(asking, 'upgrade');
  refused.catch(() => {});
  asking.end();
  const [, socket]: [unknown, Socket] = await Promise.race([upgraded as Promise<[unknown, Socket]>, refused]);
  try {
    socket.write(text);
    const [bytes] = await once(socket, 'data');
    return String(bytes);
  } finally {
    socket.destroy();
  }
}
