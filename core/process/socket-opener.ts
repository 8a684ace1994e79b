// The process that opens listening sockets, hands them to the manager and ends. In the manager itself a net.Server
// would accept connections as soon as it listens; a handle received over IPC only holds the socket.
// (Node 26 has net.BoundSocket for this; the older supported lines do not.)
import type { SendHandle } from 'node:child_process';
import { chmodSync, renameSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { basename, dirname } from 'node:path';
import type { OpenedMessage, OpenerMessage } from './listening-sockets.ts';
import { ignoreSignals } from './signals.ts';
import { handleOf } from './socket-handle.ts';

type OpenMessage = OpenerMessage & { type: 'open' };

process.on('message', (message: OpenerMessage, handle: SendHandle | undefined) => {
  if (message.type === 'copy') answer({ type: 'opened', request: message.request, port: 0 }, handle);
  else if (message.target.kind === 'tcp') openTcp(message, message.target);
  else openUnix(message, message.target);
});
ignoreSignals('stops too');

function openTcp({ request, backlog }: OpenMessage, { host, port }: OpenMessage['target'] & { kind: 'tcp' }) {
  const server = serverFor(request);
  server.listen({ host, port, backlog }, () => {
    const address = server.address();
    const opened = typeof address === 'object' && address !== null ? address.port : port;
    handOver(server, request, opened);
  });
}

function openUnix(
  { request, backlog }: OpenMessage,
  { path, mode }: OpenMessage['target'] & { kind: 'unix' },
): void {
  const server = serverFor(request);
  // A closing server removes the file by the name that it was bound to.
  const first = `${basename(path)}-`;
  try {
    // A relative name is short, however long the folder's path is.
    process.chdir(dirname(path));
  } catch (thrown) {
    fail(request, thrown);
    return;
  }
  server.listen({ path: first, backlog }, () => {
    try {
      if (mode !== undefined) chmodSync(first, mode);
      renameSync(first, basename(path));
      handOver(server, request, 0);
    } catch (thrown) {
      unlinkSync(first);
      server.close();
      fail(request, thrown);
    }
  });
}

function serverFor(request: number): Server {
  // Nothing answers a connection that arrives in the instant before the handle is handed over.
  const server = createServer(socket => socket.destroy());
  server.on('error', error => fail(request, error));
  return server;
}

function handOver(server: Server, request: number, port: number): void {
  answer({ type: 'opened', request, port }, handleOf(server), () => server.close());
}

function fail(request: number, thrown: unknown): void {
  const { code = '', message }: NodeJS.ErrnoException =
    thrown instanceof Error ? thrown : new Error(String(thrown));
  answer({ type: 'failed', request, errno: code, message });
}

function answer(message: OpenedMessage, handle?: SendHandle, sent: () => void = () => {}): void {
  process.send?.(message, handle, {}, sent);
}
