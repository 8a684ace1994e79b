// health-check: checks every server at intervals, and marks those that fail as down.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import type { Clock } from '../../core/time/clock.ts';
import { type CheckSettings, completeSettings } from './check-settings.ts';
import { type Check, HealthChecker } from './health-checker.ts';
import { addRoutes, settingName } from './settings-routes.ts';

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
  .describe('Checks every server at intervals, and marks those that fail as down.');

/** The options of `healthCheck`, as written in a config; each has a default. */
export type HealthCheckOptions = z.input<typeof options>;

/**
 * Active health checks, run by the manager only. By default `GET /` every 30 s: any 2xx passes, 3 failures in a row mark a
 * server down, 2 passes in a row bring it back. A new server is checked at once and counts as active until then, or as down
 * with `initial: 'check'`; until it has passed once, each check decides alone.
 */
export const healthCheck = definePlugin({
  name: 'health-check',
  role: 'active-check',
  schema: options,
  check({ interval, timeout }, { warn }) {
    if (timeout <= interval) return;
    warn(
      'timeout',
      `a check may take ${timeout} ms, but the next is due after ${interval} ms; make timeout shorter than interval`,
    );
  },
  manager(
    { pools, operator, admin, clock, log, metrics, status, scope, covers, onClose },
    { concurrency, jitter, ...configured },
  ) {
    const setting =
      scope.kind === 'config'
        ? pools.setting<CheckSettings>(settingName, {
            schema: completeSettings,
            base: configured,
            changed: value => checker.setDefaults(value),
          })
        : undefined;
    const results = metrics.counter({
      name: 'health_check_results_total',
      help: 'Checks of a server, by result.',
      labels: ['pool', 'server', 'result'],
      maxChildren: 20_000,
    });
    const checker = new HealthChecker(
      {
        pools,
        counted: ({ pool, id }, { passed }) => results.labels(pool, id, passed ? 'passed' : 'failed').inc(),
        clock,
        log,
        concurrency,
        jitter,
        check: checkAs(`weldr-health-check/${status.version}`, clock),
      },
      setting?.value ?? configured,
    );
    onClose(() => checker.close());
    const define = (entry: PoolEntry): void => {
      const { upstream } = entry;
      if (covers(upstream.pool)) {
        checker.define(entry);
        return;
      }
      // The pool now has its own check; the verdicts of this plugin no longer apply.
      checker.remove(upstream);
      pools.verdict(upstream.pool, upstream.id, undefined);
    };
    pools.observe({
      joining: server => (covers(server.pool) ? checker.complaintAbout(server) : undefined),
      defined: define,
      removed: upstream => {
        checker.remove(upstream);
        for (const result of ['passed', 'failed']) results.remove(upstream.pool, upstream.id, result);
      },
    });
    for (const pool of pools.names) for (const entry of pools.list(pool)) define(entry);
    if (setting !== undefined) addRoutes(admin, operator, setting);
  },
});

/** Returns the check by gRPC or HTTP; both are loaded with their first check, as workers run none and a start need not wait. */
function checkAs(userAgent: string, clock: Clock): Check {
  return async (upstream, settings, signal) => {
    const means = { clock, userAgent, signal };
    if (settings.grpc !== false) {
      const { grpcCheck } = await import('./grpc-check.ts');
      return await grpcCheck(upstream, settings, means);
    }
    const { httpCheck } = await import('./http-check.ts');
    return await httpCheck(upstream, settings, means);
  };
}
