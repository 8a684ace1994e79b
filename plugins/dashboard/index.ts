// dashboard: a web page at the address of the admin API that shows the pools and changes them.
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { addPageRoutes } from './page-routes.ts';

const options = z
  .strictObject({
    idle: duration()
      .refine(ms => ms >= 60_000, 'expected 1m or more')
      .prefault('1h')
      .describe('A session ends when no page was open for this long.'),
    session: duration()
      .refine(ms => ms >= 60_000, 'expected 1m or more')
      .prefault('12h')
      .describe('A session ends after this time in any case.'),
  })
  .describe('Serves a web page at /ui/ of the admin API.');

/** The options of `dashboard`, as written in a config. Times are durations such as `"12h"`. */
export type DashboardOptions = z.input<typeof options>;

/**
 * The dashboard, at `/ui/` of the admin API, to which a browser that opens `/` is redirected. It needs `adminApi()` in the
 * same config; if that has a token, the page asks for it.
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
      log.warn('the dashboard is not built: run npm run build:dashboard, then restart');
    addPageRoutes(admin, '/ui/', files ?? []);
  },
});
