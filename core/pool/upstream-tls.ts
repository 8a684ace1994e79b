// TLS to upstreams: its settings, checked when they are read.
import { isIP } from 'node:net';
import { z } from 'zod';
import { certificatesIn, type PairFault, pairFault } from '../certificates/pem.ts';

const pem = z.string().max(100_000);

/** A name as certificates hold it: international ones in `xn--` form. */
const hostName = /^(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$/;

/** Settings of a TLS connection to an upstream. */
export const upstreamTls = z
  .strictObject({
    ca: pem
      .refine(text => certificatesIn(text) !== undefined, {
        message:
          'holds no certificate that can be read; expected one or more as PEM, -----BEGIN CERTIFICATE-----',
      })
      .optional()
      .describe('The authorities that its certificate is checked against, as PEM.'),
    cert: pem.optional().describe('The certificate that Weldr presents to it, as PEM; with `key`.'),
    key: pem.optional().describe('The key of `cert`, as PEM, not encrypted.'),
    servername: z
      .string()
      .max(253)
      .refine(name => isIP(name) !== 0 || hostName.test(name), 'expected a host name or an IP address')
      .optional()
      .describe("The name in its certificate; default: the URL's."),
    verify: z.boolean().optional().describe('Whether its certificate is checked. Default: true.'),
  })
  .superRefine(({ cert, key }, context) => {
    const fault = ownFault(cert, key);
    if (fault !== undefined)
      context.addIssue({ code: 'custom', path: [fault.field], message: fault.message });
  });

/** Why this certificate cannot be presented. */
function ownFault(cert: string | undefined, key: string | undefined): PairFault | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined)
    return { field: 'key', message: 'has no certificate; `cert` and `key` go together' };
  if (key === undefined) return { field: 'cert', message: 'has no key; `cert` and `key` go together' };
  return pairFault(cert, key);
}
