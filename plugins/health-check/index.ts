// health-check: asks every server again and again, and takes those that fail out of their pools.
import { z } from 'zod';
import type { AdminRoutes } from '../../core/plugin/admin.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import { healthCheckSettings } from '../../core/pool/server-definition.ts';
import { parse } from '../../core/settings/options.ts';
import { type CheckSettings, completeSettings, layered } from './check-settings.ts';
import { HealthChecker } from './health-checker.ts';

const options = z
  .strictObject({
    ...completeSettings.shape,
    concurrency: z.number().int().min(1).max(10_000).default(256).describe('Checks that may run at once.'),
    jitter: z
      .number()
      .min(0)
      .max(1)
      .default(0.1)
      .describe('The share of the interval by which a check may come early, at random.'),
  })
  .describe('Asks every server again and again, and takes those that fail out of their pools.');

/** Options of {@link healthCheck}; each has a default. */
export type HealthCheckOptions = z.input<typeof options>;

/** The name under which settings that were changed at run time are stored. */
const setting = 'health-check';

/**
 * Active health checks, made by the manager only: by default `GET /` every 30 s, any 2xx passes, 3 failures in a row
 * mark a server down, 2 passes in a row bring it back, a new server counts as active.
 */
export const healthCheck = definePlugin({
  name: 'health-check',
  role: 'active-check',
  schema: options,
  manager(
    { pools, admin, clock, log, status, scope, covers, onClose },
    { concurrency, jitter, ...configured },
  ) {
    const userAgent = `weldr-health-check/${status.version}`;
    const inForce = (): CheckSettings => layered(configured, settingsAtRunTime(pools, log));
    const checker = new HealthChecker(
      {
        pools,
        clock,
        log,
        concurrency,
        jitter,
        check: async (upstream, how, signal) => {
          // Loaded with the first check: workers make none, and the start need not wait for it.
          const { httpCheck } = await import('./http-check.ts');
          return await httpCheck(upstream, how, { clock, userAgent, signal });
        },
      },
      inForce(),
    );
    onClose(() => checker.close());
    const define = (entry: PoolEntry): void => {
      if (covers(entry.upstream.pool)) checker.define(entry);
    };
    pools.observe({
      defined: define,
      removed: upstream => checker.remove(upstream),
      setting: name => {
        if (name === setting) checker.setDefaults(inForce());
      },
    });
    for (const pool of pools.names) for (const entry of pools.list(pool)) define(entry);
    if (scope.kind === 'config') addRoutes(admin, pools, () => checker.settings);
  },
});

function settingsAtRunTime(pools: ManagerPools, log: ManagerSide['log']) {
  const result = healthCheckSettings.safeParse(pools.setting(setting) ?? {});
  if (result.success) return result.data;
  log.error({ err: result.error }, 'the stored health-check settings are not valid; the config decides');
  return undefined;
}

function addRoutes(admin: AdminRoutes, pools: ManagerPools, settings: () => CheckSettings): void {
  admin.add({
    method: 'GET',
    path: '/health-check',
    rel: 'health-check',
    handle: () => ({ status: 200, body: settings() }),
  });
  admin.add({
    method: 'PUT',
    path: '/health-check',
    rel: 'set-health-check',
    async handle({ body }) {
      const wanted = parse(healthCheckSettings, body, 'INPUT_INVALID');
      const isEmpty = Object.values(wanted).every(value => value === undefined);
      await pools.setSetting(setting, isEmpty ? undefined : wanted);
      return { status: 200, body: settings() };
    },
  });
}
