// WantedCertificate: one certificate that the config wants, what there is of it, and when it is due.
import type { CertificateInfo } from '../../core/certificates/certificate-registry.ts';
import type { LedgerEntry } from './ledger.ts';
import { type RenewalWindow, renewalTime } from './renewal.ts';

/** What is wanted. */
export interface Wish {
  /** What it is called: the first of its names. */
  readonly name: string;
  /** In small letters. */
  readonly names: readonly string[];
}

/** What is to be done about a certificate, and why. */
export type Standing =
  /** It is not there, or not as it is wanted: it is ordered as soon as may be. */
  | { readonly is: 'missing'; readonly why: string; readonly due: number }
  /** It is there, and will be renewed. */
  | { readonly is: 'valid'; readonly due: number }
  /** An operator or the config has one of its name, which is left alone. */
  | { readonly is: 'foreign'; readonly due: undefined };

/** What there is to judge by. */
export interface Facts {
  readonly found: CertificateInfo | undefined;
  readonly entry: LedgerEntry;
  readonly directory: string;
  /** When the authority wants it renewed, where it says so. */
  readonly window: RenewalWindow | undefined;
  readonly now: number;
}

/** What is to be done. `due`: ms since the epoch, no attempt before it. */
export function standingOf({ names }: Wish, { found, entry, directory, window, now }: Facts): Standing {
  const { notBefore = 0, failures } = entry;
  // After a success it says how soon the next one may be renewed, and what is missing need not wait for that.
  const missing = (why: string): Standing => ({
    is: 'missing',
    why,
    due: failures > 0 ? Math.max(now, notBefore) : now,
  });
  if (found === undefined) return missing('there is none');
  if (found.layer === 'config' || found.fingerprint !== entry.fingerprint) {
    return { is: 'foreign', due: undefined };
  }
  if (!names.every(name => found.names.includes(name))) return missing('it is not for all names');
  if (entry.directory !== directory) return missing('it is of another directory');
  if (found.notAfter <= now) return missing('it has ended');
  return { is: 'valid', due: Math.max(renewalTime(found, window), notBefore) };
}
