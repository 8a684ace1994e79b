// CertificateId: the identifier of a certificate in renewal requests (RFC 9773 section 4.1).
import { X509Certificate } from 'node:crypto';

/** DER of 2.5.29.35, the extension authorityKeyIdentifier. */
const authorityKeyIdentifier = Buffer.from('0603551d23', 'hex');
const octetString = 0x04;
const sequence = 0x30;
/** `[0] keyIdentifier`, implicit. */
const keyIdentifier = 0x80;

/** Returns the identifier of the first certificate in a PEM text; undefined if it does not name its authority's key. */
export function certificateId(pem: string): string | undefined {
  const certificate = new X509Certificate(pem);
  const authority = authorityKeyOf(certificate.raw);
  if (authority === undefined) return undefined;
  return `${authority.toString('base64url')}.${serialOf(certificate).toString('base64url')}`;
}

/** The serial number in DER form: a zero byte precedes what would be a sign bit. */
function serialOf({ serialNumber }: X509Certificate): Buffer {
  const hex = serialNumber.length % 2 === 0 ? serialNumber : `0${serialNumber}`;
  const bytes = Buffer.from(hex, 'hex');
  return (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : bytes;
}

function authorityKeyOf(der: Buffer): Buffer | undefined {
  const at = der.indexOf(authorityKeyIdentifier);
  if (at < 0) return undefined;
  const value = inner(der.subarray(at + authorityKeyIdentifier.length), octetString);
  const fields = value && inner(value, sequence);
  return fields && inner(fields, keyIdentifier);
}

/** Returns the contents of the first element, if it has this tag. Key identifiers are shorter than 128 bytes. */
function inner(der: Buffer, tag: number): Buffer | undefined {
  const length = der[1] ?? 0;
  if (der[0] !== tag || length >= 0x80 || der.length < 2 + length) return undefined;
  return der.subarray(2, 2 + length);
}
