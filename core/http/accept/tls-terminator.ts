// TlsTerminator: terminates TLS for one listener. Accepted sockets go in, sockets in plain text come out.
import type { Socket } from 'node:net';
import type { SecureContext, Server, TLSSocket } from 'node:tls';
import type { Certificate } from '../../certificates/certificate.ts';
import type { TlsMaterial } from '../../certificates/listener-tls.ts';
import type { TlsFacts } from '../../request/tls-facts.ts';
import { plainHttpResponse } from '../h1/head-writer.ts';
import { readServerName } from './client-hello.ts';
import { TlsContexts } from './tls-contexts.ts';
import { factsOf } from './tls-facts.ts';

/** Receives the outcome of handshakes. */
export interface HandshakeReceiver {
  /** The handshake is done; `socket` carries plain text. */
  onSecure(socket: TLSSocket, facts: TlsFacts): void;
  /** The handshake failed, and the connection is closed. */
  onFailed(reason: Error): void;
}

/** An unencrypted fatal alert, `unrecognized_name` (RFC 8446 section 6.2). */
const unrecognizedName = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70]);

/** The TLS end of one listener. */
export class TlsTerminator {
  private readonly under = new Map<Socket, HandshakeReceiver>();
  private readonly protocols: readonly string[];
  /** By the certificates that they show. The fallback's server also serves names with only one certificate. */
  private readonly servers = new Map<readonly Certificate[], Server>();
  private contexts: TlsContexts;
  private asksForCertificate: boolean;

  /** `protocols`: those offered in the handshake (ALPN), best first. */
  constructor(material: TlsMaterial, ticketKeys: Buffer, protocols: readonly string[]) {
    this.protocols = protocols;
    this.contexts = new TlsContexts(material, ticketKeys);
    this.asksForCertificate = material.clientAuth !== undefined;
    // Certificates that OpenSSL rejects are found now, not by the first client.
    this.serverOf(this.contexts.fallback);
  }

  /** Uses other certificates or keys for new handshakes; open connections continue. */
  change(material: TlsMaterial, ticketKeys: Buffer): void {
    this.contexts = new TlsContexts(material, ticketKeys);
    this.asksForCertificate = material.clientAuth !== undefined;
    this.servers.clear();
    this.serverOf(this.contexts.fallback);
  }

  /** Starts a handshake. */
  take(socket: Socket, receiver: HandshakeReceiver): void {
    this.under.set(socket, receiver);
    // A client that closes its sending side during the handshake has left; later, it may still wait for its response. Node
    // applies this option to the TLS socket too.
    socket.allowHalfOpen = false;
    // Node does not report sockets that close before their handshake is done.
    socket.once('close', () => {
      if (this.under.has(socket)) this.failed(socket, new Error('the client left during the handshake'));
    });
    if (this.contexts.needsNames) readServerName(socket, name => this.begin(socket, name));
    else this.begin(socket, undefined);
  }

  private begin(socket: Socket, name: string | undefined): void {
    this.serverOf(this.contexts.serverFor(name)).emit('connection', socket);
  }

  private serverOf(certificates: readonly Certificate[]): Server {
    const known = this.servers.get(certificates);
    if (known !== undefined) return known;
    const server = this.newServer(certificates);
    this.servers.set(certificates, server);
    return server;
  }

  /** Creates a server that never listens: it is given sockets, which remain the listener's. */
  private newServer(certificates: readonly Certificate[]): Server {
    const { contexts, asksForCertificate } = this;
    const chooses = certificates === contexts.fallback && !contexts.isOne;
    // Loaded only if a listener uses TLS.
    const server = process.getBuiltinModule('node:tls').createServer({
      ...contexts.optionsFor(certificates),
      ALPNProtocols: [...this.protocols],
      // Only if needed, because Node interrupts each handshake for it.
      ...(chooses ? { SNICallback: chooser(contexts) } : {}),
    });
    server.on('secureConnection', socket => this.secured(socket, asksForCertificate));
    server.on('tlsClientError', (error, socket) => this.refused(error, socket));
    return server;
  }

  private secured(socket: TLSSocket, asksForCertificate: boolean): void {
    const raw = rawOf(socket);
    const receiver = raw && this.under.get(raw);
    if (raw === undefined || receiver === undefined) {
      socket.destroy();
      return;
    }
    this.under.delete(raw);
    socket.allowHalfOpen = true;
    receiver.onSecure(socket, factsOf(socket, asksForCertificate));
  }

  private refused(error: Error, socket: TLSSocket): void {
    const raw = rawOf(socket);
    if (raw === undefined) return;
    this.failed(raw, error);
    // Node leaves some of these sockets open.
    if ('code' in error && error.code === 'ERR_SSL_HTTP_REQUEST')
      raw.end(plainHttpResponse(), () => raw.destroy());
    else raw.destroy();
  }

  private failed(raw: Socket, reason: Error): void {
    const receiver = this.under.get(raw);
    this.under.delete(raw);
    receiver?.onFailed(reason);
  }
}

/** Returns an SNICallback. Node calls it with the client's socket as `this`. */
function chooser(contexts: TlsContexts) {
  return function (
    this: unknown,
    name: string,
    done: (error: Error | null, context?: SecureContext) => void,
  ): void {
    const context = contexts.for(name);
    if (context !== undefined) {
      if (context === 'fallback') done(null);
      else done(null, context);
      return;
    }
    const refuse = (): void => done(new Error(`there is no certificate for ${JSON.stringify(name)}`));
    const raw = typeof this === 'object' && this !== null ? rawOf(this) : undefined;
    // Node would close without an alert, which the client would take for a network failure.
    if (raw === undefined) refuse();
    else raw.write(unrecognizedName, refuse);
  };
}

/** The socket that was given to the server. Node offers no other way to find it. */
function rawOf(socket: object): Socket | undefined {
  return Reflect.get(socket, '_parent');
}
