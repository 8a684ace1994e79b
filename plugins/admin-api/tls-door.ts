// TlsDoor: TLS of the admin API: its certificates, and the handshakes of new connections.
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { CertificateEnds } from '../../core/certificates/certificate-ends.ts';
import type { ListenerTls } from '../../core/certificates/listener-tls.ts';
import { type HandshakeReceiver, TlsTerminator } from '../../core/http/accept/tls-terminator.ts';
import { ListenersTls } from '../../core/process/listeners-tls.ts';
import type { Clock } from '../../core/time/clock.ts';

/** There is one listener. */
const name = 'admin';

/** The TLS side of one admin API; call `close` at the end. */
export class TlsDoor {
  private readonly read: ListenersTls;
  private readonly terminator: TlsTerminator;
  private readonly ends: CertificateEnds;

  /** Reads the certificates, and again when their files change. Throws CONFIG_INVALID if they cannot be used. */
  constructor(tls: ListenerTls, clock: Clock, log: Logger) {
    this.read = new ListenersTls([{ name, tls }], () => 'tls');
    // Only the manager has callers: no other process needs the keys.
    const ticketKeys = process.getBuiltinModule('node:crypto').randomBytes(48);
    const material = () => {
      const found = this.read.materials[name];
      if (found === undefined) throw new Error('nothing was read for the admin API');
      return found;
    };
    this.terminator = new TlsTerminator(material(), ticketKeys, ['http/1.1']);
    this.ends = new CertificateEnds({ clock, log, shown: () => material().certificates });
    this.read.watch(clock, log, () => {
      this.terminator.change(material(), ticketKeys);
      this.ends.look();
    });
  }

  /** Begins a handshake. */
  take(socket: Socket, receiver: HandshakeReceiver): void {
    this.terminator.take(socket, receiver);
  }

  close(): void {
    this.read.close();
    this.ends.close();
  }
}
