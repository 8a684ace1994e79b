// TLS reading: reads certificates and keys from the places that the config names, and reports what is wrong with them.
import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { describeError, WeldrError } from '../errors.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import type { ListenerTls, TlsMaterial } from './listener-tls.ts';
import { certificatesIn } from './pem.ts';

/** More than any certificate with its chain needs, bytes. */
const maxBytes = 1024 * 1024;

/** What was read, and the files that it came from. */
export interface TlsReading {
  readonly material: TlsMaterial;
  readonly paths: readonly string[];
}

/**
 * Reads what `tls` of a listener names. `field`: its place in the config, for messages. Throws CONFIG_INVALID for what
 * cannot be read or used.
 */
export function readTls(tls: ListenerTls, field: string): TlsReading {
  const paths = new Set<string>();
  const read = (source: string, place: string): string => contentOf(source, place, paths);
  const certificates = tls.certificates.map((entry, n): Certificate => {
    const place = `${field}.certificates[${n}]`;
    const { passphrase } = entry;
    const secret = passphrase === undefined ? undefined : secretOf(passphrase, `${place}.passphrase`, paths);
    const cert = read(entry.cert, `${place}.cert`);
    const made = readCertificate(cert, read(entry.key, `${place}.key`), secret);
    if ('name' in made) return entry.name === undefined ? made : { ...made, name: entry.name };
    const source = made.field === 'cert' ? entry.cert : made.field === 'key' ? entry.key : '';
    throw invalid(`${place}.${made.field}`, `${nameOf(source)}${made.message}`);
  });
  const { clientAuth, profile, unknownName } = tls;
  const material: TlsMaterial = {
    certificates,
    profile,
    unknownName,
    clientAuth: clientAuth && {
      ca: authorities(read(clientAuth.ca, `${field}.clientAuth.ca`), `${field}.clientAuth.ca`),
      crl: clientAuth.crl === undefined ? undefined : read(clientAuth.crl, `${field}.clientAuth.crl`),
      mode: clientAuth.mode,
    },
  };
  checkClientAuth(material, field);
  return { material, paths: [...paths] };
}

/** Returns a secret, without the final line break that files have. */
function secretOf(source: string, place: string, paths: Set<string>): string {
  if (!/^(env|file):/.test(source)) return source;
  return contentOf(source, place, paths).replace(/\r?\n$/, '');
}

function contentOf(source: string, place: string, paths: Set<string>): string {
  if (source.includes('-----BEGIN')) return source;
  if (source.startsWith('env:')) {
    const name = source.slice('env:'.length);
    const value = process.env[name];
    if (value === undefined || value === '') throw invalid(place, `the variable ${name} is not set`);
    return value;
  }
  const path = source.startsWith('file:') ? source.slice('file:'.length) : source;
  paths.add(path);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    const why = `cannot be read: ${describeError(thrown)}`;
    throw invalid(place, isAbsolute(path) ? why : `${why}; a relative path begins at ${process.cwd()}`);
  }
  if (text.length > maxBytes)
    throw invalid(place, `${path} has over ${maxBytes} bytes; is it the right file?`);
  return text;
}

function authorities(text: string, place: string): string {
  if (certificatesIn(text) !== undefined) return text;
  throw invalid(place, 'holds no certificate that can be read; expected PEM, -----BEGIN CERTIFICATE-----');
}

function checkClientAuth({ clientAuth }: TlsMaterial, field: string): void {
  const crl = clientAuth?.crl;
  if (crl === undefined) return;
  try {
    process.getBuiltinModule('node:tls').createSecureContext({ crl, ca: [] });
  } catch {
    throw invalid(
      `${field}.clientAuth.crl`,
      'holds no revocation list that can be read; expected PEM, -----BEGIN X509 CRL-----',
    );
  }
}

/** Returns what a message begins with: the name of the source, unless the source is the PEM text itself. */
const nameOf = (source: string): string =>
  source === '' || source.includes('-----BEGIN') ? '' : `${source.replace(/^file:/, '')} `;

const invalid = (field: string, message: string): WeldrError =>
  new WeldrError('CONFIG_INVALID', `${field}: ${message}`, { field });
