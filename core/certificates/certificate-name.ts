// Names of certificates: how one is named, and how those with the same name are distinguished.
import { WeldrError } from '../errors.ts';
import type { Certificate } from './certificate.ts';

const pattern = /^[a-z0-9*_:][a-z0-9*_.:-]{0,252}$/;

/** Returns whether a certificate can have this name. */
export const isCertificateName = (text: string): boolean => pattern.test(text);

/** Returns a name as people write it, in lower case. Throws INPUT_INVALID for an invalid name. */
export function certificateName(text: string): string {
  const name = text.toLowerCase();
  if (isCertificateName(name)) return name;
  throw new WeldrError(
    'INPUT_INVALID',
    `name: ${JSON.stringify(text)} cannot name a certificate: expected letters, digits and "*_.:-", at most 253, such as "*.shop.test"`,
    { field: 'name' },
  );
}

/**
 * Gives certificates unique names: if several share a name, the later ones get their type of key as a suffix, and a
 * number if that is not enough. A certificate that occurs several times keeps one name.
 */
export class DistinctNames {
  private readonly taken = new Map<string, string>();

  /** Returns the certificate under its unique name. */
  named(certificate: Certificate): Certificate {
    const name = this.nameOf(certificate);
    return name === certificate.name ? certificate : { ...certificate, name };
  }

  private nameOf({ name, keyType, fingerprint }: Certificate): string {
    for (let number = 0; ; number++) {
      const tried = number === 0 ? name : `${name}-${keyType}${number === 1 ? '' : `-${number}`}`;
      const owner = this.taken.get(tried) ?? fingerprint;
      if (owner !== fingerprint) continue;
      this.taken.set(tried, fingerprint);
      return tried;
    }
  }
}
