// OrderProblem: the current problem with the orders of one certificate, in a sentence.

import { daysLeft } from '../../core/certificates/certificate-expiry.ts';
import type { CertificateInfo } from '../../core/certificates/certificate-registry.ts';
import type { NewProblem } from '../../core/events/problems.ts';
import type { LedgerEntry } from './ledger.ts';
import type { Standing, Wish } from './wanted-certificate.ts';

/** The facts to judge by. */
interface Facts {
  readonly standing: Standing;
  readonly found: CertificateInfo | undefined;
  readonly entry: LedgerEntry;
  /** ms since the epoch. */
  readonly now: number;
}

/** Returns what is wrong; undefined: the last order succeeded, or there was none. */
export function orderProblem({ name }: Wish, { standing, found, entry, now }: Facts): NewProblem | undefined {
  const { lastFailure, failures } = entry;
  if (lastFailure === undefined || failures === 0 || standing.is === 'foreign') return undefined;
  const { domain, detail, type, remedy } = lastFailure;
  const about = domain === undefined || domain === name ? '' : ` of ${domain}`;
  const why = `${detail} (${type}${about})${remedy === undefined ? '' : `; ${remedy}`}`;
  if (found === undefined) return { severity: 'error', text: `there is no certificate for ${name}: ${why}` };
  const days = daysLeft(found.notAfter, now);
  const left = days > 0 ? `ends in ${days} ${days === 1 ? 'day' : 'days'}` : 'has ended';
  return {
    severity: days > 0 ? 'warning' : 'error',
    text: `the certificate ${name} ${left} and cannot be renewed: ${why}`,
    certificate: name,
  };
}
