// Client certificate: its description in X-Forwarded-Client-Cert, in Envoy's format.
import type { X509Certificate } from 'node:crypto';

export const clientCertificateField = 'X-Forwarded-Client-Cert';

/** Spellings of the name that CGI-like origins read as this field, in lower case. */
const anySpelling = /^x[._-]forwarded[._-]client[._-]cert$/;

/** Returns whether this is the field, however it is spelt. `key`: a name in lower case. */
export const isClientCertificateField = (key: string): boolean => anySpelling.test(key);

/**
 * Returns the element for a certificate, in printable ASCII: `Hash=…;Subject="…";URI=…;DNS=…`, with one part for each
 * alternative name. `whole`: also with `Cert`, its percent-encoded PEM.
 */
export function clientCertificateElement(certificate: X509Certificate, whole: boolean): string {
  const parts = [`Hash=${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`];
  if (whole) parts.push(`Cert="${encodeURIComponent(certificate.toString())}"`);
  // Node gives undefined if there is no subject, whatever its types say.
  parts.push(`Subject="${subjectText(certificate.subject ?? '')}"`);
  const names = alternativeNames(certificate.subjectAltName ?? '');
  for (const kind of ['URI', 'DNS']) {
    for (const name of names) if (name.kind === kind) parts.push(`${kind}=${quoted(name.value)}`);
  }
  return parts.join(';');
}

/**
 * Returns the subject as in RFC 2253: the last part first, on one line. Node's text has one line per part, escaped by the
 * same rules, including double quotes and backslashes: inside quotes it needs no further escaping.
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

/** An entry of Node's text, where ambiguous values are JSON strings. */
const entry = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy;

/** Only names in printable ASCII: others are invalid and must not break the field. */
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
