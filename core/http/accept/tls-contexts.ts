// TlsContexts: OpenSSL contexts for the certificates of one listener, created when a client first asks for a name.
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { Certificate } from '../../certificates/certificate.ts';
import { CertificateNames } from '../../certificates/certificate-names.ts';
import type { TlsMaterial } from '../../certificates/listener-tls.ts';

/** The same in every worker and across reloads: sessions with another one cannot be resumed. */
const sessionIdContext = 'weldr';

/** Mozilla's `intermediate` list, without those that need finite-field Diffie-Hellman parameters. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

/** OpenSSL 3.5 is the first with the hybrid group. */
const [major = 0, minor = 0] = process.versions.openssl.split('.').map(Number);
const hasHybrid = major > 3 || (major === 3 && minor >= 5);
const groups = `${hasHybrid ? 'X25519MLKEM768:' : ''}X25519:prime256v1:secp384r1`;

/** The contexts of one listener. */
export class TlsContexts {
  /** For clients that ask for no name, or for an unknown one unless that is refused. If empty, both are refused. */
  readonly fallback: readonly Certificate[];
  /** Whether the name that a client asks for must be read before the handshake. */
  readonly needsNames: boolean;
  /** Whether every client gets the same certificates, whatever name it asks for. */
  readonly isOne: boolean;
  private readonly material: TlsMaterial;
  private readonly names: CertificateNames;
  private readonly ticketKeys: Buffer;
  private readonly made = new Map<readonly Certificate[], SecureContext>();

  /** `ticketKeys`: 48 bytes, the same in all workers, so a client can resume its session on any of them. */
  constructor(material: TlsMaterial, ticketKeys: Buffer) {
    this.material = material;
    this.ticketKeys = ticketKeys;
    const { certificates, others = [], unknownName } = material;
    this.names = new CertificateNames([...certificates, ...others]);
    this.fallback = this.fallbackOf(certificates[0]);
    const rest = [...this.names.sets].filter(set => set !== this.fallback);
    this.needsNames = rest.some(set => set.length > 1);
    this.isOne = rest.length === 0 && this.fallback.length > 0 && unknownName === 'default';
  }

  /**
   * The certificates of the server that must do the handshake with a client that asks for this name. From a server's
   * own certificates, OpenSSL chooses one that the client supports; from a context chosen in the handshake, Node uses only one.
   */
  serverFor(name: string | undefined): readonly Certificate[] {
    const certificates = name === undefined ? this.fallback : this.names.for(name);
    return certificates.length > 1 ? certificates : this.fallback;
  }

  /** The context for a name as sent by a client; `fallback` for the server's own certificates; undefined to refuse the client. */
  for(name: string): SecureContext | 'fallback' | undefined {
    const certificates = this.names.for(name);
    const isUnknown = certificates.length === 0;
    if (isUnknown && (this.material.unknownName === 'refuse' || this.fallback.length === 0)) return undefined;
    return isUnknown || certificates === this.fallback ? 'fallback' : this.contextOf(certificates);
  }

  /** The options of a server with these certificates. */
  optionsFor(
    certificates: readonly Certificate[],
  ): SecureContextOptions & { requestCert: boolean; rejectUnauthorized: boolean } {
    const { clientAuth } = this.material;
    return {
      ...this.optionsOf(certificates),
      requestCert: clientAuth !== undefined,
      rejectUnauthorized: clientAuth?.mode === 'require',
    };
  }

  /** The first certificate, and the one of another key type for the same name if there is one. */
  private fallbackOf(first: Certificate | undefined): readonly Certificate[] {
    if (first === undefined) return [];
    const own = this.names.for((first.names[0] ?? '').replace(/^\*/, 'x'));
    return own.includes(first) ? own : [first];
  }

  private contextOf(certificates: readonly Certificate[]): SecureContext {
    const known = this.made.get(certificates);
    if (known !== undefined) return known;
    const context = process.getBuiltinModule('node:tls').createSecureContext(this.optionsOf(certificates));
    this.made.set(certificates, context);
    return context;
  }

  /** Disables tickets if clients are asked for a certificate: they must show it in each handshake. */
  private optionsOf(given: readonly Certificate[]): SecureContextOptions {
    const { clientAuth, profile } = this.material;
    const { constants } = process.getBuiltinModule('node:crypto');
    // Node uses only the last certificate of a context chosen in the handshake, so the cheapest type comes last.
    const certificates = [...given].sort((a, b) => Number(a.keyType === 'ec') - Number(b.keyType === 'ec'));
    return {
      cert: certificates.map(({ cert }) => cert),
      key: certificates.map(({ key }) => key),
      minVersion: profile === 'modern' ? 'TLSv1.3' : 'TLSv1.2',
      ciphers,
      ecdhCurve: groups,
      secureOptions:
        constants.SSL_OP_NO_RENEGOTIATION | (clientAuth === undefined ? 0 : constants.SSL_OP_NO_TICKET),
      sessionIdContext,
      ticketKeys: this.ticketKeys,
      ...(clientAuth !== undefined && { ca: clientAuth.ca }),
      ...(clientAuth?.crl !== undefined && { crl: clientAuth.crl }),
    };
  }
}
