// ListenerTls: how a listener terminates TLS: the config's part, and what workers receive.
import { z } from 'zod';
import type { Certificate } from './certificate.ts';
import { isCertificateName } from './certificate-name.ts';

/** A path, `file:PATH`, `env:NAME` or the PEM text itself. */
const pemSource = z.string().min(1).max(100_000);

/** `tls` of an entry of `listen`. */
export const listenerTls = z
  .strictObject({
    certificates: z
      .array(
        z.strictObject({
          name: z
            .string()
            .refine(isCertificateName, 'expected lower-case letters, digits and "*_.:-", at most 253')
            .optional()
            .describe('Its name at run time; default: the first name in it.'),
          cert: pemSource.describe('The certificate, followed by its chain: a path, env:NAME or PEM.'),
          key: pemSource.describe('Its key: a path, env:NAME or PEM.'),
          passphrase: z
            .string()
            .min(1)
            .max(1_024)
            .optional()
            .describe('The passphrase of an encrypted key: file:PATH, env:NAME or the text.'),
        }),
      )
      .max(10_000)
      .default([])
      .describe(
        'Certificates by the names in them; the first is the default. Those of other listeners, and those put at run time, are also shown for their names.',
      ),
    profile: z
      .enum(['intermediate', 'modern'])
      .default('intermediate')
      .describe('intermediate: TLS 1.2 and 1.3; modern: TLS 1.3 alone.'),
    unknownName: z
      .enum(['default', 'refuse'])
      .default('default')
      .describe('For a name that no certificate has: show the default one, or refuse the handshake.'),
    clientAuth: z
      .strictObject({
        ca: pemSource.describe(
          'The authorities that may sign certificates of clients: a path, env:NAME or PEM.',
        ),
        crl: pemSource.optional().describe('Their list of revoked certificates: a path, env:NAME or PEM.'),
        mode: z
          .enum(['request', 'require'])
          .default('require')
          .describe('Ask for a certificate, or require one.'),
      })
      .optional()
      .describe('Certificates of clients.'),
  })
  .describe('TLS towards clients.');

/** As parsed; certificates and keys are still references. */
export type ListenerTls = z.output<typeof listenerTls>;

/** The same with everything read: plain JSON, as it is sent to the workers. */
export interface TlsMaterial {
  /** The listener's own certificates; the first is the default. */
  readonly certificates: readonly Certificate[];
  /** More certificates, for names that its own do not cover. */
  readonly others?: readonly Certificate[] | undefined;
  readonly profile: ListenerTls['profile'];
  readonly unknownName: ListenerTls['unknownName'];
  /** PEM texts. */
  readonly clientAuth:
    | { readonly ca: string; readonly crl: string | undefined; readonly mode: 'request' | 'require' }
    | undefined;
}

/** By the names of listeners. */
export type TlsMaterials = Readonly<Record<string, TlsMaterial>>;
