// An example plugin for the stage `request`: while a file exists, it replies with 503 and a page to all but the allowed
// networks. `touch /run/weldr/maintenance` and `rm` switch it, for all workers and across restarts.
import { existsSync } from 'node:fs';
import { compileMatcher, definePlugin, duration, RequestFacts, reply } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** Closed while this file exists. */
  file: z.string().min(1),
  /** Clients that get through anyway, such as `10.0.0.0/8`. */
  allow: z.array(z.string()).default([]),
  page: z.string().default('<!doctype html><title>Back soon</title><h1>Back soon</h1>\n'),
  /** How long clients are asked to wait. */
  retryAfter: duration().default(60_000),
  /** How often to check for the file. */
  interval: duration().default(1000),
});

export const maintenance = definePlugin({
  name: 'maintenance',
  schema: options,
  worker({ hooks, clock, onClose }, { file, allow, page, retryAfter, interval }) {
    const isAllowed =
      allow.length === 0 ? () => false : compileMatcher({ clientIp: allow }, 'maintenance.allow');
    const closed = reply(503, page, {
      'Content-Type': 'text/html; charset=utf-8',
      'Retry-After': String(Math.ceil(retryAfter / 1000)),
      'Cache-Control': 'no-store',
    });
    let isClosed = existsSync(file);
    onClose(
      clock.every(interval, () => {
        isClosed = existsSync(file);
      }),
    );
    hooks.request.tap('maintenance', ctx =>
      isClosed && !isAllowed(RequestFacts.of(ctx)) ? closed : undefined,
    );
  },
});
