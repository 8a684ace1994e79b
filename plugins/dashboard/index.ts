// dashboard: a page for browsers on the admin API's address, which shows the pools and changes them.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { duration } from '../../core/settings/duration.ts';
import { addPageRoutes } from './page-routes.ts';

const options = z
  .strictObject({
    idle: duration()
      .refine(ms => ms >= 60_000, 'expected 1m or more')
      .prefault('1h')
      .describe('A sign-in ends when no page was open for so long.'),
    session: duration()
      .refine(ms => ms >= 60_000, 'expected 1m or more')
      .prefault('12h')
      .describe('A sign-in ends after so long in any case.'),
  })
  .describe('Serves a page for browsers at /ui/ of the admin API.');

/** What {@link dashboard} takes, as people write it. Times are durations such as `"12h"`. */
export type DashboardOptions = z.input<typeof options>;

/**
 * The dashboard, at `/ui/` of the admin API, where a browser that opens `/` is sent. It needs `adminApi()` in the same
 * config; where that has a token, the page asks for it.
 *
 * @example
 * plugins: [roundRobin(), healthCheck(), stats(), adminApi(), dashboard()]
 */
export const dashboard = definePlugin({
  name: 'dashboard',
  schema: options,
  async manager({ admin, log }, { idle, session }) {
    const { readPage } = await import('./page-files.ts');
    admin.offer({ path: '/ui/', idleMs: idle, sessionMs: session });
    const files = readPage();
    if (files === undefined)
      log.warn('the dashboard was not built: run npm run build:dashboard, and restart');
    addPageRoutes(admin, '/ui/', files ?? []);
  },
});
