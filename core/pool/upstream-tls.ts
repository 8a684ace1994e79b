// TLS to upstreams: what is written of it, checked where it is given.
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { z } from 'zod';
import { toError } from '../errors.ts';

const pem = z.string().max(100_000);

/** A name as a certificate has it: international ones in their `xn--` form. */
const hostName = /^(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$/;

/** How a TLS connection to an upstream is made. */
export const upstreamTls = z
  .strictObject({
    ca: pem
      .refine(text => certificatesIn(text) !== undefined, {
        message:
          'holds no certificate that can be read; expected one or more as PEM, -----BEGIN CERTIFICATE-----',
      })
      .optional()
      .describe('The authorities that its certificate is checked against, as PEM.'),
    cert: pem.optional().describe('The certificate that Weldr shows it, as PEM; with `key`.'),
    key: pem.optional().describe('The key of `cert`, as PEM, not encrypted.'),
    servername: z
      .string()
      .max(253)
      .refine(name => isIP(name) !== 0 || hostName.test(name), 'expected a host name or an IP address')
      .optional()
      .describe("The name in its certificate; default: the URL's."),
    verify: z.boolean().optional().describe('Check its certificate? Default: true.'),
  })
  .superRefine(({ cert, key }, context) => {
    const fault = pairFault(cert, key);
    if (fault !== undefined)
      context.addIssue({ code: 'custom', path: [fault.field], message: fault.message });
  });

interface Fault {
  readonly field: 'cert' | 'key';
  readonly message: string;
}

/** Why nobody could be shown this certificate. */
function pairFault(cert: string | undefined, key: string | undefined): Fault | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined)
    return { field: 'key', message: 'has no certificate; `cert` and `key` go together' };
  if (key === undefined) return { field: 'cert', message: 'has no key; `cert` and `key` go together' };
  const leaf = certificatesIn(cert)?.[0];
  if (leaf === undefined) {
    return {
      field: 'cert',
      message: 'cannot be read; expected certificates as PEM, -----BEGIN CERTIFICATE-----, the own one first',
    };
  }
  if (/^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(key)) {
    return { field: 'key', message: 'is encrypted; decrypt it with: openssl pkey -in KEY -out PLAIN' };
  }
  return keyFault(leaf, key) ?? refusal(cert, key);
}

function keyFault(leaf: X509Certificate, key: string): Fault | undefined {
  try {
    const parsed = process.getBuiltinModule('node:crypto').createPrivateKey(key);
    return leaf.checkPrivateKey(parsed) ? undefined : { field: 'key', message: 'is not the key of `cert`' };
  } catch {
    return { field: 'key', message: 'cannot be read; expected a key as PEM, -----BEGIN PRIVATE KEY-----' };
  }
}

/** What only OpenSSL knows, such as keys that are too short for it. */
function refusal(cert: string, key: string): Fault | undefined {
  try {
    // Without authorities, as those of the system take a while to load.
    process.getBuiltinModule('node:tls').createSecureContext({ cert, key, ca: [] });
    return undefined;
  } catch (thrown) {
    return { field: 'cert', message: `cannot be used: ${toError(thrown).message}` };
  }
}

/** The certificates of a PEM text; undefined where there is none, or one that cannot be read. */
function certificatesIn(text: string): readonly X509Certificate[] | undefined {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g);
  if (blocks === null) return undefined;
  const { X509Certificate } = process.getBuiltinModule('node:crypto');
  try {
    return blocks.map(block => new X509Certificate(block));
  } catch {
    return undefined;
  }
}
