// Client certificate: what X-Forwarded-Client-Cert says of one, in the form that Envoy gave it.
import type { X509Certificate } from 'node:crypto';

/** The name of the field. */
export const clientCertificateField = 'X-Forwarded-Client-Cert';

/** As it comes, and as CGI-like origins read it. */
const anySpelling = /^x[._-]forwarded[._-]client[._-]cert$/;

/** Is this the field, however it is spelt? `key`: a name in lower case. */
export const isClientCertificateField = (key: string): boolean => anySpelling.test(key);

/**
 * The element for a certificate: `Hash=…;Subject="…";URI=…;DNS=…`, of the alternative names each by itself. `whole`: with
 * `Cert`, its PEM, percent-encoded. Printable ASCII.
 */
export function clientCertificateElement(certificate: X509Certificate, whole: boolean): string {
  const parts = [`Hash=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`];
  if (whole) parts.push(`Cert="${encodeURIComponent(certificate.toString())}"`);
  // Without a subject, Node says undefined.
  parts.push(`Subject="${subjectText(certificate.subject ?? '')}"`);
  const names = alternativeNames(certificate.subjectAltName ?? '');
  for (const kind of ['URI', 'DNS']) {
    for (const name of names) if (name.kind === kind) parts.push(`${kind}=${quoted(name.value)}`);
  }
  return parts.join(';');
}

/**
 * RFC 2253: the last part first, on one line. Node's text has a line for each part, its characters escaped by the same
 * rules, the double quote and the backslash among them: within quotes it needs nothing more.
 */
function subjectText(subject: string): string {
  const parts = subject === '' ? [] : subject.split('\n');
  const text = parts.map(part => part.split(' + ').reverse().join('+')).reverse();
  return text.join(',').replace(/[^ -~]/gu, escapedBytes);
}

const escapedBytes = (character: string): string =>
  [...Buffer.from(character)].map(byte => `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

interface AlternativeName {
  readonly kind: string;
  readonly value: string;
}

/** An entry of Node's text: what could be misread is a string of JSON there. */
const entry = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy;

/** Those whose characters are printable ASCII: no other may be in a name, and none may break a field. */
function alternativeNames(text: string): AlternativeName[] {
  const names: AlternativeName[] = [];
  for (const [, kind = '', raw = ''] of text.matchAll(entry)) {
    const value: unknown = raw.startsWith('"') ? JSON.parse(raw) : raw;
    if (typeof value === 'string' && /^[!-~]+$/.test(value)) names.push({ kind, value });
  }
  return names;
}

/** Plain where it can stand so. */
const quoted = (value: string): string =>
  /[,;="\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : value;
