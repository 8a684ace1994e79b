// Client certificate: what X-Forwarded-Client-Cert says about it, in Envoy's form.
import type { X509Certificate } from 'node:crypto';

/** The name of the field. */
export const clientCertificateField = 'X-Forwarded-Client-Cert';

/** Spellings of the name that CGI-like origins take for it, in lower case. */
const anySpelling = /^x[._-]forwarded[._-]client[._-]cert$/;

/** Is this the field, however it is spelt? `key`: a name in lower case. */
export const isClientCertificateField = (key: string): boolean => anySpelling.test(key);

/**
 * Returns the element for a certificate, in printable ASCII: `Hash=…;Subject="…";URI=…;DNS=…`, with one part for each
 * alternative name. `whole`: with `Cert`, its PEM, percent-encoded.
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
 * Returns the subject by RFC 2253: the last part first, on one line. Node's text has a line for each part, escaped by the
 * same rules, double quotes and backslashes included: within quotes it needs no more escaping.
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

/** An entry of Node's text, in which ambiguous values are JSON strings. */
const entry = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy;

/** Names in printable ASCII: others are invalid, and must not break a field. */
function alternativeNames(text: string): AlternativeName[] {
  const names: AlternativeName[] = [];
  for (const [, kind = '', raw = ''] of text.matchAll(entry)) {
    const value: unknown = raw.startsWith('"') ? JSON.parse(raw) : raw;
    if (typeof value === 'string' && /^[!-~]+$/.test(value)) names.push({ kind, value });
  }
  return names;
}

/** Quotes a value only if it needs quotes. */
const quoted = (value: string): string =>
  /[,;="\\]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : value;
