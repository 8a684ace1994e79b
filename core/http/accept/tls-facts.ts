// TlsFacts: the outcome of a handshake with a client.
import type { TLSSocket } from 'node:tls';
import type { ClientCertificate, TlsFacts } from '../../request/tls-facts.ts';

/** The facts of a connection whose handshake is over. */
export function factsOf(socket: TLSSocket, asksForCertificate: boolean): TlsFacts {
  const certificate = asksForCertificate ? clientCertificateOf(socket) : undefined;
  return Object.freeze({
    sni: socket.servername || undefined,
    version: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    alpn: socket.alpnProtocol || undefined,
    resumed: socket.isSessionReused(),
    clientCertificate: certificate,
  });
}

function clientCertificateOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  return Object.freeze({
    subject: certificate.subject.replaceAll('\n', ', '),
    issuer: certificate.issuer.replaceAll('\n', ', '),
    serialNumber: certificate.serialNumber,
    fingerprint: certificate.fingerprint256,
    notAfter: certificate.validToDate.getTime(),
    authorized: socket.authorized,
  });
}
