// Config probe: starts the worker sides of a config without a socket, a manager or a request, to find what only their
// start shows.
import { pino } from 'pino';
import { systemClock } from '../clock.ts';
import { WeldrError } from '../errors.ts';
import { startFailure } from '../plugin/start-failure.ts';
import { WorkerSides } from '../plugin/worker-sides.ts';
import { Pools } from '../pool/pool.ts';
import { configuredRecord } from '../pool/pool-entry.ts';
import type { LoadedConfig } from './config-source.ts';
import { guardExit } from './early-exit.ts';
import { exitCodes } from './exit-codes.ts';

/**
 * Starts the worker sides of a config's plugins and closes them again. Rejects as a start of Weldr would: with what a
 * plugin throws, a tap that can never be asked, a pool without a balancer.
 */
export async function probeConfig({ settings, plugins }: LoadedConfig): Promise<void> {
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
    log: pino({ level: 'silent' }),
    clock: systemClock,
    report() {},
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
  } finally {
    await sides.close();
  }
}
