// A whole config in a test: the worker sides of all its plugins and its pools, without sockets or processes.

import { checkConfig, type WeldrConfig } from '../config/config.ts';
import type { Explanation } from '../explain/explanation.ts';
import { configuredRecord } from '../pool/pool-entry.ts';
import { Pools } from '../pool/pools.ts';
import { type Overrides, poolSettingsOf, serversOf } from '../settings/settings.ts';
import type { FakeClock } from './fake-clock.ts';
import type { LogLine } from './log-lines.ts';
import type { RunResult } from './request-run.ts';
import { type ExplainOptions, type RunOptions, startWorkerSide } from './worker-side.ts';

/** Options of {@link testConfig}. */
export interface ConfigRunOptions {
  /** Default: a new one. */
  readonly clock?: FakeClock;
  /** Overrides by flags and environment variables. */
  readonly overrides?: Overrides;
}

/** A running config. */
export interface TestConfig {
  /** Runs a request through all plugins; it begins in the pool `default`, as on the wire. */
  run(options?: Omit<RunOptions, 'pool'>): Promise<RunResult>;
  /** Explains what all plugins would do with a request that is not sent, as `weldr explain` does. */
  explain(options?: Omit<ExplainOptions, 'pool'>): Promise<Explanation>;
  /** Its pools, to take servers out or to look at their requests in flight. */
  readonly pools: Pools;
  readonly clock: FakeClock;
  /** The log lines. */
  readonly logs: readonly LogLine[];
  /** Runs the clean-ups of the plugins, last in first out. */
  close(): Promise<void>;
}

/**
 * Runs requests through an unchanged config, so that a test sees where they go and what plugins do with them: route,
 * pool, upstream, reply, fields, notes. Manager sides are not started, so all servers are as in the config. Rejects like
 * `weldr check` for an invalid config, and with what a plugin throws at its start.
 *
 * @example
 * const app = await testConfig(config);
 * const { pool, status } = await app.run({ target: '/api/users', answers: ['CONNECT_FAILED', 200] });
 * await app.close();
 */
export async function testConfig(config: WeldrConfig, options: ConfigRunOptions = {}): Promise<TestConfig> {
  const { settings, plugins } = checkConfig(config, options.overrides);
  const pools = new Pools();
  for (const [name, said] of Object.entries(poolSettingsOf(settings))) pools.ensure(name).setSettings(said);
  for (const [name, servers] of Object.entries(serversOf(settings))) {
    const pool = pools.ensure(name);
    for (const server of servers) pool.set(configuredRecord(server));
  }
  const { clock, logs, run, explain, close } = await startWorkerSide({
    instances: plugins,
    pools,
    stageTimeout: settings.timeouts.stage,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
  });
  return { run, explain, close, pools, clock, logs };
}
