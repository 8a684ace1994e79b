// AcmeOptions: the options of acme as written in a config, and as used.
import { isIP } from 'node:net';
import { z } from 'zod';
import { secret } from '../../core/options/secret.ts';
import type { Wish } from './wanted-certificate.ts';

/** Directories with a short name. */
const directories: Readonly<Record<string, string>> = {
  letsencrypt: 'https://acme-v02.api.letsencrypt.org/directory',
  'letsencrypt-staging': 'https://acme-staging-v02.api.letsencrypt.org/directory',
  zerossl: 'https://acme.zerossl.com/v2/DV90',
};

const label = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$/;

const domain = z
  .string()
  .max(253)
  .transform(text => text.toLowerCase())
  .superRefine((name, context) => {
    const problem = domainProblem(name);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });

function domainProblem(name: string): string | undefined {
  if (name.startsWith('*.')) {
    return `${name}: http-01 cannot prove a wildcard; list the hosts, or provide a certificate for it yourself`;
  }
  if (isIP(name) !== 0) return `${name}: expected the name of a host, not an address`;
  if (name.split('.').every(part => label.test(part))) return undefined;
  return `${JSON.stringify(name)}: expected the name of a host such as "shop.example"; for an international one its "xn--" form`;
}

const directory = z.string().transform((text, context) => {
  const known = Object.hasOwn(directories, text) ? directories[text] : undefined;
  if (known !== undefined) return known;
  if (/^https:\/\/[^\s/]+(\/\S*)?$/.test(text) && URL.canParse(text)) return text;
  const names = Object.keys(directories).join(', ');
  context.addIssue({
    code: 'custom',
    message: `expected ${names} or an https:// URL, got ${JSON.stringify(text)}`,
  });
  return z.NEVER;
});

const expectedDomains =
  "list the hosts of the certificates, such as ['shop.example', ['api.example', 'www.api.example']]";

/** Schema of the options. */
export const acmeOptions = z
  .strictObject({
    email: z
      .string()
      .max(320)
      .regex(/^[^\s@<>,;?&]+@[\w.-]+\.[\w-]+$/, 'expected an address such as "ops@shop.example"')
      .describe('The contact address for the authority.'),
    domains: z
      .array(z.union([domain, z.array(domain).min(1).max(100)]))
      .min(1, expectedDomains)
      .max(100)
      .transform(list => list.map(wishOf))
      .superRefine((wishes, context) => {
        const names = new Set<string>();
        for (const [index, { name }] of wishes.entries()) {
          if (names.has(name)) {
            const message = `${name} is already the first name of another certificate; remove one of them`;
            context.addIssue({ code: 'custom', path: [index], message });
          }
          names.add(name);
        }
      })
      .describe('The hosts: one certificate for each entry, which is a name or a list of names.'),
    directory: directory
      .prefault('letsencrypt')
      .describe("The authority: letsencrypt, letsencrypt-staging, zerossl, or its directory's URL."),
    challenge: z
      .literal('http-01', { error: () => 'expected "http-01", the only supported challenge' })
      .default('http-01')
      .describe('How control of a name is proven.'),
    externalAccount: z
      .strictObject({
        keyId: secret().pipe(z.string().max(1_000)).describe('Its id, `env:NAME` or `file:PATH`.'),
        hmacKey: secret()
          .pipe(z.string().regex(/^[\w+/-]{16,2000}={0,2}$/, 'expected a key in base64url'))
          .describe('Its key in base64url, `env:NAME` or `file:PATH`.'),
      })
      .optional()
      .describe('An existing account with the authority to bind this one to.'),
    ca: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe(
        'A PEM file with the authorities trusted for the certificate of the directory; for private authorities.',
      ),
    keyType: z.enum(['ecdsa', 'rsa']).default('ecdsa').describe('P-256, or RSA with 2048 bits.'),
  })
  .refine(
    ({ directory: url, externalAccount }) => url !== directories['zerossl'] || externalAccount !== undefined,
    {
      path: ['externalAccount'],
      message: 'zerossl requires one; find it in the settings of your account there',
    },
  )
  .describe('Gets certificates from an authority by ACME, and renews them.');

/** The options in the form in which they are used. */
export type AcmeSettings = z.output<typeof acmeOptions>;

function wishOf(entry: string | string[]): Wish {
  const names = [...new Set(typeof entry === 'string' ? [entry] : entry)];
  return { name: names[0] ?? '', names };
}
