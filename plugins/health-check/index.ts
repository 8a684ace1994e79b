// health-check: checks every server at intervals, and marks those that fail as down.
import { z } from 'zod';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoutes,
  overrideOf,
} from '../../core/plugin/admin.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import { healthCheckSettings } from '../../core/pool/server-definition.ts';
import { parse } from '../../core/settings/options.ts';
import { type Entity, etagOf, overridesOf } from '../../core/state/entity.ts';
import type { Setting } from '../../core/state/settings.ts';
import { type CheckSettings, completeSettings } from './check-settings.ts';
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
  .describe('Checks every server at intervals, and marks those that fail as down.');

/** The options of `healthCheck`, as written in a config; each has a default. */
export type HealthCheckOptions = z.input<typeof options>;

/** The name of the setting that operators change at run time. */
const settingName = 'health-check';

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
    const userAgent = `weldr-health-check/${status.version}`;
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
        check: async (upstream, how, signal) => {
          // Loaded with the first check: workers run none, and the start need not wait for it.
          const means = { clock, userAgent, signal };
          if (how.grpc !== false) {
            const { grpcCheck } = await import('./grpc-check.ts');
            return await grpcCheck(upstream, how, means);
          }
          const { httpCheck } = await import('./http-check.ts');
          return await httpCheck(upstream, how, means);
        },
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

/** The active settings as a whole; fields that an operator changed are also in `overrides`. */
function addRoutes(admin: AdminRoutes, operator: OperatorPools, setting: Setting<CheckSettings>): void {
  const path = '/health-check';
  const shown = (): AdminAnswer => {
    const overrides = overridesOf({ secret: [] }, setting.entity);
    const isChanged = Object.keys(overrides).length > 0;
    return {
      status: 200,
      body: { ...setting.value, ...(isChanged && { overrides }) },
      headers: { ETag: etagOf(setting.entity) },
    };
  };
  const change = async (
    { by, precondition }: AdminRequest,
    write:
      | { readonly op: 'put' | 'patch'; readonly value: unknown }
      | { readonly op: 'forget'; readonly fields: readonly string[] | undefined },
  ): Promise<AdminAnswer> => {
    const expect = (entity: Entity | undefined) => precondition.check(entity && etagOf(entity));
    await operator.write([{ kind: 'setting', key: settingName, ...write, expect }], by);
    return shown();
  };
  admin.add({
    method: 'GET',
    path,
    rel: 'health-check',
    summary: 'The settings of health checks',
    answers: { 200: 'The settings' },
    handle: shown,
  });
  admin.add({
    method: 'PUT',
    path,
    rel: 'set-health-check',
    summary: 'Replace the settings; omitted ones have the values of the config',
    body: healthCheckSettings,
    answers: { 200: 'The settings' },
    conditional: true,
    // A response to GET can be edited and sent back.
    handle: request => change(request, { op: 'put', value: parse(given, request.body, 'INPUT_INVALID') }),
  });
  admin.add({
    method: 'PATCH',
    path,
    rel: 'update-health-check',
    summary: 'Change some settings: a merge patch (RFC 7396)',
    answers: { 200: 'The settings' },
    conditional: true,
    handle: request => change(request, { op: 'patch', value: request.body }),
  });
  admin.add({
    method: 'DELETE',
    path,
    rel: 'reset-health-check',
    summary: 'Restore the settings of the config',
    query: { override: 'Restore only these fields.' },
    answers: { 200: 'The settings' },
    conditional: true,
    handle: request => change(request, { op: 'forget', fields: overrideOf(request) }),
  });
}

/** The settings in a request; `overrides`, which GET shows, is ignored. */
const given = healthCheckSettings
  .extend({ overrides: z.unknown().optional() })
  .transform(({ overrides: _, ...fields }) => fields);
