// The certificate of all proxies: ECDSA on P-256, made for each run of the benchmark.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from './processes.ts';

/** Paths of PEM files. */
export interface BenchmarkCertificate {
  readonly cert: string;
  readonly key: string;
  /** Both in one file, as HAProxy needs them. */
  readonly combined: string;
}

let made: BenchmarkCertificate | undefined;

/** Returns the certificate, made at the first call. Throws an Error if openssl fails. */
export function benchmarkCertificate(): BenchmarkCertificate {
  if (made !== undefined) return made;
  const folder = temporaryFolder('certificate');
  const cert = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  const combined = join(folder, 'combined.pem');
  const { status, error, stderr } = spawnSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', key, '-out', cert],
    ],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`openssl made no certificate: ${error?.message ?? stderr}`);
  writeFileSync(combined, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
  made = { cert, key, combined };
  return made;
}
