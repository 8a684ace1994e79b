// An example plugin for the stage `respond`: sets fields on every response, from upstreams, replies of plugins and errors
// to refusals of malformed requests.
import { definePlugin, reply } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Fields that each response gets, unless the upstream has set them. */
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
    // A reply checks its fields, so a field that cannot be sent fails the start instead of requests.
    const wanted = [...reply(204, '', options.headers).headers];
    hooks.respond.tap('security-headers', ({ response }) => {
      if (response === undefined) return;
      for (const [name, value] of wanted)
        if (!response.headers.has(name)) response.headers.append(name, value);
    });
  },
});
