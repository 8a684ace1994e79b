// When certificates that Weldr shows or trusts stop being valid.
import { certificatesIn } from './pem.ts';

/** How long before the end it is reported, ms. */
const warnBefore = 21 * 24 * 3_600_000;
const day = 24 * 3_600_000;

/** The name of a certificate, and the time from which and until which it is valid, ms since the epoch. */
export interface Validity {
  readonly name: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Returns the problem of a certificate at `now` (ms since the epoch); undefined: there is none. */
export function validityProblem({ name, notBefore, notAfter }: Validity, now: number): string | undefined {
  const end = dateOf(notAfter);
  if (notAfter <= now) return `the certificate ${name} expired on ${end}; renew it`;
  if (notBefore > now) {
    return `the certificate ${name} is not valid before ${dateOf(notBefore)}; is the clock of this machine right?`;
  }
  if (notAfter - now >= warnBefore) return undefined;
  const days = daysLeft(notAfter, now);
  return `the certificate ${name} expires in ${days} ${days === 1 ? 'day' : 'days'}, on ${end}; renew it`;
}

/** Returns the days until `notAfter`, including the current one; below 0: it is over. Both in ms since the epoch. */
export function daysLeft(notAfter: number, now: number): number {
  const days = (notAfter - now) / day;
  return days > 0 ? Math.ceil(days) : Math.floor(days);
}

/** Returns the first problem of the certificates of a PEM text. */
export function expiryOf(pem: string, now: number): string | undefined {
  for (const { subject, validFromDate, validToDate } of certificatesIn(pem) ?? []) {
    const name = subject?.replaceAll('\n', ', ') || 'without a name';
    const problem = validityProblem(
      { name, notBefore: validFromDate.getTime(), notAfter: validToDate.getTime() },
      now,
    );
    if (problem !== undefined) return problem;
  }
  return undefined;
}

const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
