// Admin TLS: the authorities that commands trust and the certificate they present to an admin API that speaks TLS.
import { readFileSync } from 'node:fs';
import { certificatesIn, pairFault } from '../core/certificates/pem.ts';
import { describeError } from '../core/errors.ts';
import { exitCodes } from '../core/process/exit-codes.ts';
import { CommandError } from './command-error.ts';

/** Paths of PEM files. */
export interface AdminTlsFiles {
  /** The authorities that may sign the certificate of the admin API; undefined: those Node trusts. */
  readonly ca: string | undefined;
  /** The client certificate followed by its chain, and its key. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/** Reads the files. Throws a CommandError that names flag and variable. */
export function readAdminTls({ ca, cert, key }: AdminTlsFiles): { ca?: string; cert?: string; key?: string } {
  if ((cert === undefined) !== (key === undefined)) {
    throw new CommandError(
      `a certificate and its key go together; ${cert === undefined ? named('cert') : named('key')} is missing`,
      exitCodes.usage,
    );
  }
  const authorities = ca === undefined ? undefined : read('ca', ca);
  if (authorities !== undefined && certificatesIn(authorities) === undefined) {
    throw new CommandError(
      `${named('ca')}: ${ca} holds no certificate that can be read; expected PEM, -----BEGIN CERTIFICATE-----`,
    );
  }
  const trusted = authorities === undefined ? {} : { ca: authorities };
  if (cert === undefined || key === undefined) return trusted;
  const own = { cert: read('cert', cert), key: read('key', key) };
  const fault = pairFault(own.cert, own.key);
  if (fault !== undefined) {
    const file = fault.field === 'cert' ? cert : key;
    throw new CommandError(`${named(fault.field)}: ${file} ${fault.message.replace('`cert`', cert)}`);
  }
  return { ...trusted, ...own };
}

/** Explains why a TLS connection failed, with the remedy; undefined for other reasons. */
export function tlsProblem(error: unknown, url: URL, shown: AdminTlsFiles): string | undefined {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return undefined;
  const { code, message } = error;
  const { origin } = url;
  const why = describeError(error);
  if (untrusted.has(code)) {
    // Node's message continues with advice about its own flags.
    const [reason] = why.split(';');
    return shown.ca === undefined
      ? `the certificate of ${origin} is not signed by an authority that this command trusts (${reason}): pass the authority's certificate, or this one if it is self-signed, with --admin-ca FILE or WELDR_ADMIN_CA`
      : `the certificate of ${origin} is not signed by an authority in ${shown.ca} (${reason}): pass the certificate of its authority with --admin-ca FILE or WELDR_ADMIN_CA`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${origin} is not for ${url.hostname} (${why}): use one of its names in --admin-url`;
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `the certificate of ${origin} is out of date (${why}): renew it, or correct the clock of this machine`;
  }
  // Node wraps some of OpenSSL's errors and keeps their text in the message.
  const words = `${code} ${message}`.toUpperCase().replaceAll(' ', '_');
  if (isPlain.test(words)) return `${origin} does not speak TLS: use http://${url.host}`;
  if (shown.cert === undefined) {
    return asksForCertificate.test(words)
      ? `${origin} asks for a certificate: pass one with --admin-cert FILE and --admin-key FILE, or WELDR_ADMIN_CERT and WELDR_ADMIN_KEY`
      : undefined;
  }
  const question = `is ${shown.cert} signed by an authority of adminApi({ tls: { clientAuth } }), and still valid?`;
  if (notTaken.test(words)) return `${origin} refuses the certificate (${why}): ${question}`;
  // Weldr checks it after the handshake, and closes without an answer.
  return code === 'ECONNRESET' || code === 'EPIPE'
    ? `${origin} closes the connection (${why}), as it does when it refuses a certificate: ${question}`
    : undefined;
}

/** OpenSSL's codes for a chain that leads to no trusted authority. */
const untrusted: ReadonlySet<string> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'INVALID_CA',
]);

const isPlain = /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/;

/** The alerts of TLS 1.3 and TLS 1.2 for a missing certificate. */
const asksForCertificate = /ALERT_CERTIFICATE_REQUIRED|ALERT_HANDSHAKE_FAILURE/;

const notTaken = /ALERT_(?:BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_)/;

const named = (flag: keyof AdminTlsFiles): string => `--admin-${flag} or WELDR_ADMIN_${flag.toUpperCase()}`;

function read(flag: keyof AdminTlsFiles, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new CommandError(`${named(flag)} cannot be read: ${describeError(thrown)}`);
  }
}
