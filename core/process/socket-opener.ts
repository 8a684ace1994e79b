// The process that opens listening sockets, hands them to the manager and ends. In the manager itself a net.Server
// would accept connections from the moment that it listens; a handle that came by IPC only holds the socket.
// (Node 26 has net.BoundSocket for this; the older lines that are supported have not.)
import type { SendHandle } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import type { OpenedMessage, OpenerMessage } from './listening-sockets.ts';

process.on('message', (message: OpenerMessage, handle: SendHandle | undefined) => {
  if (message.type === 'copy') answer({ type: 'opened', request: message.request, port: 0 }, handle);
  else open(message);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

function open(message: OpenerMessage & { type: 'open' }): void {
  const { request, host, port, backlog } = message;
  // A connection that comes in the instant before the handle is handed over has nobody to answer it.
  const server = createServer(socket => socket.destroy());
  server.on('error', (error: NodeJS.ErrnoException) => {
    answer({ type: 'failed', request, errno: error.code ?? '', message: error.message });
  });
  server.listen({ host, port, backlog }, () => {
    const address = server.address();
    const opened = typeof address === 'object' && address !== null ? address.port : port;
    answer({ type: 'opened', request, port: opened }, handleOf(server), () => server.close());
  });
}

/** What `server.listen` documents as a server's underlying `_handle`: sent itself, the receiver does not listen. */
function handleOf(server: Server): SendHandle {
  return Reflect.get(server, '_handle');
}

function answer(message: OpenedMessage, handle?: SendHandle, sent: () => void = () => {}): void {
  process.send?.(message, handle, {}, sent);
}
