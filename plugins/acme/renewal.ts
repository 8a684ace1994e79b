// Renewal: when a certificate is due for renewal, with or without its authority's advice.
import { createHash } from 'node:crypto';

/** The relevant facts of a certificate. */
export interface Lifetime {
  /** ms since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256. */
  readonly fingerprint: string;
}

/** When a renewal is wanted, ms since the epoch. */
export interface RenewalWindow {
  readonly start: number;
  readonly end: number;
}

/** The share of a life over which renewals are spread. */
const spread = 1 / 30;

/**
 * Returns a time in the window, ms since the epoch: different for each certificate, the same on all nodes and after restarts.
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
