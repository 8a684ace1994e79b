// Config probe: starts the worker sides of a config without a socket, a manager or a request, to find problems that only
// a start shows.
import { inspect } from 'node:util';
import { pino } from 'pino';
import { WeldrError } from '../errors.ts';
import { RowReplica } from '../plugin/row-replica.ts';
import { startFailure } from '../plugin/start-failure.ts';
import { WorkerSides } from '../plugin/worker-sides.ts';
import { configuredRecord } from '../pool/pool-entry.ts';
import { Pools } from '../pool/pools.ts';
import { systemClock } from '../time/clock.ts';
import type { LoadedConfig } from './config-source.ts';
import { guardExit } from './early-exit.ts';
import { exitCodes } from './exit-codes.ts';

/**
 * Starts the worker sides of a config's plugins and closes them again; returns one sentence for each oddity.
 * Rejects as a start of Weldr would: for what a plugin throws, a tap that can never run, a pool without a balancer.
 */
export async function probeConfig({ settings, plugins }: LoadedConfig): Promise<string[]> {
  const pools = new Pools();
  for (const server of settings.servers) pools.default.set(configuredRecord(server));
  for (const [name, { servers, ...said }] of Object.entries(settings.pools)) {
    const pool = pools.ensure(name);
    pool.setSettings(said);
    for (const server of servers) pool.set(configuredRecord(server));
  }
  const sides = new WorkerSides({
    worker: 1,
    pools,
    rows: new RowReplica(),
    log: pino({ level: 'silent' }),
    clock: systemClock,
    report() {},
    writeLog: () => true,
    send() {},
  });
  try {
    await guardExit(exitCodes.failed, () => sides.start(plugins));
  } catch (thrown) {
    if (thrown instanceof WeldrError) throw thrown;
    throw startFailure(sides.starting ?? '', thrown);
  }
  try {
    sides.refusePoolsWithoutBalancer();
    const isRouted = sides.stages.first.route.taps.length > 0;
    return isRouted ? [] : unreachable(settings, plugins);
  } finally {
    await sides.close();
  }
}

/** Without routes only fallbacks lead out of `default`, unless the user's own plugins lead elsewhere. */
function unreachable({ pools }: LoadedConfig['settings'], plugins: LoadedConfig['plugins']): string[] {
  const options = inspect(
    plugins.map(({ plugin }) => plugin.options),
    { depth: 6 },
  );
  if (plugins.some(({ plugin }) => plugin.worker !== undefined && plugin.schema === undefined)) return [];
  const reached = new Set<string>();
  for (let next: string | undefined = 'default'; next !== undefined && !reached.has(next); ) {
    reached.add(next);
    next = pools[next]?.fallback;
  }
  return Object.keys(pools)
    .filter(name => !reached.has(name) && !options.includes(name))
    .map(
      name =>
        `pools.${name}: no plugin sends requests there, and no pool falls back to it; take it out, or add a route`,
    );
}
