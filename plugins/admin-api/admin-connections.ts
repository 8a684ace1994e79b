// AdminConnections: all connections of the admin API; there is always room for a new one.
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { RefusalLog } from '../../core/log/refusal-log.ts';
import type { TlsFacts } from '../../core/request/tls-facts.ts';
import type { Clock } from '../../core/time/clock.ts';
import { AdminConnection } from './admin-connection.ts';
import { AdminHandshake } from './admin-handshake.ts';
import type { TlsDoor } from './tls-door.ts';
import { TurnQueue } from './turn-queue.ts';

/** The most connections. */
const maxConnections = 64;

/** The collaborators of connections. */
export interface AdminConnectionsOptions {
  /** Logs connections that are closed to make room. */
  readonly refusals: RefusalLog;
  /** Undefined: plain HTTP. */
  readonly door: TlsDoor | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Puts an {@link AdminConnection} in front of each socket of an HTTP server. When there are too many, the oldest that waits
 * for its caller is closed, else the oldest idle one: holding connections does not shut out operators and probes.
 */
export class AdminConnections {
  /** Oldest first. */
  private readonly open = new Set<AdminConnection | AdminHandshake>();
  private readonly turns = new TurnQueue();
  private readonly options: AdminConnectionsOptions;
  private readonly byRequest = new WeakMap<IncomingMessage, AdminConnection>();
  private readonly bySocket = new WeakMap<object, AdminConnection>();
  private readonly pass: (connection: AdminConnection) => void;

  constructor(server: Server, options: AdminConnectionsOptions) {
    this.options = options;
    // Node accepts any stream in place of the socket for this event.
    const listeners = server.listeners('connection');
    server.removeAllListeners('connection');
    this.pass = connection => {
      for (const listener of listeners) Reflect.apply(listener, server, [connection]);
    };
    server.on('connection', socket => this.accept(socket));
  }

  /** Returns the connection of a request. Call it when the request arrives: a request whose connection has ended has no socket. */
  take(request: IncomingMessage): AdminConnection {
    const connection = this.bySocket.get(request.socket);
    if (connection === undefined) throw new Error('a request without a connection');
    this.byRequest.set(request, connection);
    return connection;
  }

  /** Returns the connection of a request, even if `take` was called for it before. */
  of(request: IncomingMessage): AdminConnection {
    return this.byRequest.get(request) ?? this.take(request);
  }

  /** Ends the connections whose handshakes are not over. */
  endHandshakes(): void {
    for (const connection of this.open) if (connection instanceof AdminHandshake) connection.destroy();
  }

  private accept(socket: Socket): void {
    const { door } = this.options;
    if (this.open.size >= maxConnections && !this.makeRoom()) socket.destroy();
    else if (door === undefined) this.begin(new AdminConnection(socket, this.turns));
    else this.shakeHands(socket, door);
  }

  private shakeHands(socket: Socket, door: TlsDoor): void {
    const { clock, log } = this.options;
    const handshake = new AdminHandshake(socket, clock);
    this.open.add(handshake);
    socket.once('close', () => {
      handshake.end();
      this.open.delete(handshake);
    });
    const receiver = {
      onSecure: (secured: Socket, { clientCertificate }: TlsFacts): void => {
        handshake.end();
        this.open.delete(handshake);
        const subject = clientCertificate?.authorized === true ? clientCertificate.subject : undefined;
        this.begin(new AdminConnection(secured, this.turns, subject));
      },
      onFailed: ({ message }: Error): void =>
        log.debug({ from: handshake.remoteAddress, reason: message }, 'a TLS handshake failed'),
    };
    // In turn, because it costs more than any request.
    this.turns.add(handshake, () => door.take(socket, receiver), 'new', 0);
  }

  private begin(connection: AdminConnection): void {
    this.open.add(connection);
    this.bySocket.set(connection, connection);
    connection.once('close', () => this.open.delete(connection));
    this.pass(connection);
  }

  private makeRoom(): boolean {
    const waiting = [...this.open].filter(connection => !connection.working);
    const last =
      waiting.find(({ awaits }) => awaits === 'caller') ??
      waiting.find(({ awaits }) => awaits === 'nothing') ??
      waiting[0];
    if (last === undefined) return false;
    const from = last.remoteAddress;
    this.options.refusals.note({ from }, `closed a connection of ${from}: there are over ${maxConnections}`);
    this.open.delete(last);
    last.destroy();
    return true;
  }
}
