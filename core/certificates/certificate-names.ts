// CertificateNames: the certificates to show to a client that asks for a name (RFC 6066 section 3, RFC 6125).
import type { Certificate } from './certificate.ts';

const none: readonly Certificate[] = [];

/** Certificates by the names that they cover. */
export class CertificateNames {
  private readonly exact = new Map<string, Certificate[]>();
  /** By what follows `*.`. */
  private readonly wildcards = new Map<string, Certificate[]>();
  private readonly bySet = new Map<string, Certificate[]>();

  constructor(certificates: readonly Certificate[]) {
    for (const certificate of certificates) {
      for (const name of certificate.names) {
        const isWildcard = name.startsWith('*.');
        const index = isWildcard ? this.wildcards : this.exact;
        const key = isWildcard ? name.slice(2) : name;
        const known = index.get(key);
        if (known === undefined) index.set(key, [certificate]);
        // One of each type of key.
        else if (known.every(({ keyType }) => keyType !== certificate.keyType)) known.push(certificate);
      }
    }
    const numbers = new Map(certificates.map((certificate, n) => [certificate, n]));
    for (const index of [this.exact, this.wildcards]) {
      for (const [name, set] of index) {
        const key = set.map(certificate => numbers.get(certificate)).join();
        const known = this.bySet.get(key);
        if (known === undefined) this.bySet.set(key, set);
        else index.set(name, known);
      }
    }
  }

  /** The sets of certificates that names have, each once. */
  get sets(): Iterable<readonly Certificate[]> {
    return this.bySet.values();
  }

  /**
   * Returns the certificates for a name as a client sends it: for the same certificates the same array, empty if none
   * has the name.
   */
  for(asked: string): readonly Certificate[] {
    const name = asked.toLowerCase();
    const label = name.indexOf('.');
    const wildcard = label > 0 ? this.wildcards.get(name.slice(label + 1)) : undefined;
    return this.exact.get(name) ?? wildcard ?? none;
  }
}
