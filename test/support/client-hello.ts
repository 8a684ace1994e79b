// The ClientHello of a real TLS client.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';

/** Resolves with the first bytes of a real client. */
export async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = connect({ port, host: '127.0.0.1', ...options }).on('error', () => {});
  const [socket] = await once(server, 'connection');
  const pieces: Buffer[] = [];
  while (
    Buffer.concat(pieces).length < 5 ||
    Buffer.concat(pieces).length < 5 + Buffer.concat(pieces).readUInt16BE(3)
  ) {
    pieces.push((await once(socket, 'data'))[0]);
  }
  client.destroy();
  socket.destroy();
  server.close();
  return Buffer.concat(pieces);
}
