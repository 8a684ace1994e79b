// Renewal: when a certificate is due for another one, if its authority does not say so itself.
import { createHash } from 'node:crypto';

/** What of a certificate counts. */
export interface Lifetime {
  /** ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of it. */
  readonly fingerprint: string;
}

/** From when until when a renewal is wanted, ms since the epoch. */
export interface RenewalWindow {
  readonly start: number;
  readonly end: number;
}

/** The share of a life over which renewals are spread. */
const spread = 1 / 30;

/**
 * A time in the window, ms since the epoch: each certificate has its own, and all nodes and restarts come to the same.
 * Without a window: at two thirds of the life, up to 1/30 of it earlier.
 */
export function renewalTime(certificate: Lifetime, window: RenewalWindow | undefined): number {
  const { notBefore, notAfter } = certificate;
  const life = notAfter - notBefore;
  const end = notBefore + (life * 2) / 3;
  const { start, end: latest } = window ?? { start: end - life * spread, end };
  return Math.round(start + (latest - start) * shareOf(certificate));
}

/** From 0 to 1, the same for the same certificate. */
function shareOf({ fingerprint }: Lifetime): number {
  return createHash('sha256').update(fingerprint).digest().readUInt32BE(0) / 2 ** 32;
}
