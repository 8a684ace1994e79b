// HSTS: Strict-Transport-Security, which tells browsers to use only https:// (RFC 6797).
import { z } from 'zod';

/** Its settings, as people write them. */
export const hstsSettings = z
  .strictObject({
    maxAge: z
      .number()
      .int()
      .min(0)
      .max(10 * 365 * 86_400)
      .default(365 * 86_400)
      .describe('How long browsers use https:// only, in seconds; 0: they forget it.'),
    includeSubDomains: z.boolean().default(false).describe('Also for all names below this one.'),
    preload: z.boolean().default(false).describe('Whether browsers may include it in their preload lists.'),
  })
  .refine(({ preload, includeSubDomains }) => !preload || includeSubDomains, {
    path: ['preload'],
    message: 'needs includeSubDomains: true; the preload lists of browsers accept nothing else',
  });

/** The value of the field (RFC 6797 section 6.1). */
export function hstsValue({ maxAge, includeSubDomains, preload }: z.output<typeof hstsSettings>): string {
  return [`max-age=${maxAge}`, includeSubDomains && 'includeSubDomains', preload && 'preload']
    .filter(part => part !== false)
    .join('; ');
}
