// The rows in the store of a config, laid over that config without running it.
import { z } from 'zod';
import { CertificateRegistry } from '../certificates/certificate-registry.ts';
import { WeldrError } from '../errors.ts';
import { ManagerKinds } from '../plugin/manager-kinds.ts';
import type { PluginInstance } from '../plugin/plugin-instance.ts';
import { type ListingWorkers, RunTimePlugins } from '../plugin/run-time-plugins.ts';
import { startFailure } from '../plugin/start-failure.ts';
import { ManagedPools } from '../pool/managed-pools.ts';
import { poolSettingsOf, serversOf } from '../settings/settings.ts';
import { scopeName } from '../stages/scope.ts';
import { FixedStore } from '../state/fixed-store.ts';
import { overviewOf, overviewText } from '../state/overview.ts';
import type { Row } from '../state/row.ts';
import { systemClock } from '../time/clock.ts';
import type { LoadedConfig } from './config-source.ts';
import { ListenersTls } from './listeners-tls.ts';

/** What a store holds over a config. */
export interface StoredState {
  /** What the start would log about it; undefined: operators changed nothing. */
  readonly overview: string | undefined;
  /** The problems of rows that cannot be used as they are, a sentence each. */
  readonly problems: readonly string[];
}

/**
 * Reads the config's store, and changes nothing. Undefined: no plugin of the config stores anything. Rejects with
 * STORE_UNAVAILABLE when the store cannot be read now, and as the start would when its content cannot be used.
 */
export async function readStoredState(config: LoadedConfig): Promise<StoredState | undefined> {
  const { settings, plugins } = config;
  const keeper = plugins.find(({ plugin }) => plugin.stored !== undefined);
  if (keeper === undefined) return undefined;
  const rows = await storedBy(keeper);
  if (rows === undefined) return undefined;
  const problems: string[] = [];
  const lists = new RunTimePlugins({ workers: noWorkers, log: () => undefined });
  const pools = new ManagedPools({
    clock: systemClock,
    plugins: lists.ofPools,
    drainTimeout: 0,
    workers: () => [],
    report: ({ kind, key }, problem) => problems.push(`${kind} ${key}: ${problem}`),
  });
  const certificates = new CertificateRegistry({ state: pools.state, clock: systemClock });
  // Plugins declare their settings when they start; here it is enough that they are in the config.
  for (const { name } of plugins) {
    pools.settings.declare(name, { schema: z.record(z.string(), z.unknown()), base: {} });
  }
  const kinds = new ManagerKinds({ pools, plugins: lists });
  kinds.setConfig(
    plugins,
    settings.listen.map(({ name }) => name),
  );
  await pools.useStore(new FixedStore(rows));
  pools.setConfig(serversOf(settings), poolSettingsOf(settings));
  certificates.setConfig(new ListenersTls(settings.listen).materials);
  for (const { what, pools: missing } of kinds.dangling) {
    problems.push(
      `${what}: leads to ${missing.join(' and ')}, which does not exist: its requests are answered with 503`,
    );
  }
  for (const { scope, names } of lists.all) {
    for (const problem of config.defined.usableOf(scope, names).problems) {
      problems.push(
        `plugins of ${scopeName(scope).replace(':', ' ')}: ${problem}: its requests are answered with 503`,
      );
    }
  }
  return { overview: overviewText(overviewOf(pools.state)), problems };
}

/** Starts nothing. */
const noWorkers: ListingWorkers = { prepare: async () => {}, abandon() {} };

async function storedBy({ plugin, name, options }: PluginInstance): Promise<readonly Row[] | undefined> {
  try {
    return await plugin.stored?.(options);
  } catch (thrown) {
    if (thrown instanceof WeldrError && thrown.code === 'STORE_UNAVAILABLE') throw thrown;
    throw startFailure(name, thrown);
  }
}
