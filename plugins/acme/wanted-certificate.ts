// WantedCertificate: one certificate that the config wants, its state, and when it is due.
import type { CertificateInfo } from '../../core/certificates/certificate-registry.ts';
import type { LedgerEntry } from './ledger.ts';
import { type RenewalWindow, renewalTime } from './renewal.ts';

/** A wanted certificate. */
export interface Wish {
  /** Its name: the first of its names. */
  readonly name: string;
  /** In lower case. */
  readonly names: readonly string[];
}

/** What to do about a certificate, and why. */
export type Standing =
  /** It is missing or not as wanted: it is ordered as soon as possible. */
  | { readonly is: 'missing'; readonly why: string; readonly due: number }
  /** It exists, and will be renewed. */
  | { readonly is: 'valid'; readonly due: number }
  /** An operator or the config has one of this name, which is left alone. */
  | { readonly is: 'foreign'; readonly due: undefined };

/** The facts to judge by. */
export interface Facts {
  readonly found: CertificateInfo | undefined;
  readonly entry: LedgerEntry;
  readonly directory: string;
  /** When the authority wants it renewed, if it says so. */
  readonly window: RenewalWindow | undefined;
  readonly now: number;
}

/** Returns what to do. `due`: ms since the epoch, no attempt before it. */
export function standingOf({ names }: Wish, { found, entry, directory, window, now }: Facts): Standing {
  const { notBefore = 0, failures } = entry;
  // After a success, `notBefore` is the earliest time of the next renewal. A missing certificate need not wait for that.
  const missing = (why: string): Standing => ({
    is: 'missing',
    why,
    due: failures > 0 ? Math.max(now, notBefore) : now,
  });
  if (found === undefined) return missing('there is none');
  if (found.layer === 'config' || found.fingerprint !== entry.fingerprint) {
    return { is: 'foreign', due: undefined };
  }
  if (!names.every(name => found.names.includes(name))) return missing('it does not cover all names');
  if (entry.directory !== directory) return missing('it is from another directory');
  if (found.notAfter <= now) return missing('it has expired');
  return { is: 'valid', due: Math.max(renewalTime(found, window), notBefore) };
}
