// An example plugin for the stage `respond`: fields on every response, whatever made it: upstreams', replies of plugins,
// errors, and refusals of requests that were never understood.
import { definePlugin, reply } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Fields that each response has; what an upstream says of one of them stays. */
  headers: z.record(z.string(), z.string()).default({
    'Strict-Transport-Security': 'max-age=31536000',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Content-Security-Policy': "frame-ancestors 'none'",
    'Referrer-Policy': 'strict-origin-when-cross-origin',
  }),
});

export const securityHeaders = definePlugin({
  name: 'security-headers',
  schema: options,
  worker({ hooks }, options) {
    // A reply checks its fields: one that cannot be sent stops the start, and does not fail requests.
    const wanted = [...reply(204, '', options.headers).headers];
    hooks.respond.tap('security-headers', ({ response }) => {
      if (response === undefined) return;
      for (const [name, value] of wanted)
        if (!response.headers.has(name)) response.headers.append(name, value);
    });
  },
});
