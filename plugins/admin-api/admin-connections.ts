// AdminConnections: all connections of the admin API; a new one always finds room.
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { AdminConnection } from './admin-connection.ts';
import type { RefusalLog } from './refusal-log.ts';
import { TurnQueue } from './turn-queue.ts';

/** Connections at once. */
const maxConnections = 64;

/**
 * Puts an {@link AdminConnection} before each socket of an HTTP server. When there are too many, the oldest of those
 * which wait for their callers makes room, or of the idle ones: nobody shuts out operators and probes by holding
 * connections.
 */
export class AdminConnections {
  /** The oldest first. */
  private readonly open = new Set<AdminConnection>();
  private readonly turns = new TurnQueue();
  private readonly refusals: RefusalLog;
  private readonly byRequest = new WeakMap<IncomingMessage, AdminConnection>();
  private readonly bySocket = new WeakMap<object, AdminConnection>();

  /** `refusals`: is told of connections that are closed to make room. */
  constructor(server: Server, refusals: RefusalLog) {
    this.refusals = refusals;
    // Node lets any stream be given to the listeners of this event in place of the socket.
    const listeners = server.listeners('connection');
    server.removeAllListeners('connection');
    server.on('connection', socket => {
      const connection = this.accept(socket);
      if (connection !== undefined)
        for (const listener of listeners) Reflect.apply(listener, server, [connection]);
    });
  }

  /** The connection of a request; to be called as it comes, as it has no socket when its connection has ended. */
  take(request: IncomingMessage): AdminConnection {
    const connection = this.bySocket.get(request.socket);
    if (connection === undefined) throw new Error('a request without a connection');
    this.byRequest.set(request, connection);
    return connection;
  }

  /** The same, of a request that was taken. */
  of(request: IncomingMessage): AdminConnection {
    return this.byRequest.get(request) ?? this.take(request);
  }

  private accept(socket: Socket): AdminConnection | undefined {
    if (this.open.size >= maxConnections && !this.makeRoom()) {
      socket.destroy();
      return undefined;
    }
    const connection = new AdminConnection(socket, this.turns);
    this.open.add(connection);
    this.bySocket.set(connection, connection);
    connection.once('close', () => this.open.delete(connection));
    return connection;
  }

  private makeRoom(): boolean {
    const waiting = [...this.open].filter(connection => !connection.working);
    const last =
      waiting.find(({ awaits }) => awaits === 'caller') ??
      waiting.find(({ awaits }) => awaits === 'nothing') ??
      waiting[0];
    if (last === undefined) return false;
    const from = last.remoteAddress;
    this.refusals.note({ from }, `closed a connection of ${from}: there are over ${maxConnections}`);
    this.open.delete(last);
    last.destroy();
    return true;
  }
}
