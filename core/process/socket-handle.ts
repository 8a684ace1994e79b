// SocketHandle: the handle under a listening socket of Node. It holds the socket without accepting from it, and can be sent by IPC.
import type { SendHandle } from 'node:child_process';
import type { Server, Socket } from 'node:net';

/** What `server.listen` documents as an underlying `_handle`: when it is sent on its own, the receiver does not listen. */
export function handleOf(socket: Server | Socket): SendHandle {
  return Reflect.get(socket, '_handle');
}

/** Closes a handle. */
export function closeHandle(handle: SendHandle): void {
  if (handle !== undefined && 'close' in handle) handle.close();
}
