// What operators said, as the store of a config holds it, laid over that config without running it.
import { z } from 'zod';
import { systemClock } from '../clock.ts';
import { ManagedPools } from '../pool/managed-pools.ts';
import { poolSettingsOf, serversOf } from '../settings/settings.ts';
import { FixedStore } from '../state/fixed-store.ts';
import { overviewOf, overviewText } from '../state/overview.ts';
import type { LoadedConfig } from './config-source.ts';

/** What a store holds over a config. */
export interface StoredState {
  /** What the start would log of it; undefined: operators said nothing. */
  readonly overview: string | undefined;
  /** Rows that cannot be used as they are, each in a sentence. */
  readonly problems: readonly string[];
}

/**
 * Reads what the config's store holds, and changes nothing. Undefined: no plugin of the config stores anything. Rejects
 * with STORE_UNAVAILABLE when it cannot be read now, with what the start would reject with when it cannot be used.
 */
export async function readStoredState({ settings, plugins }: LoadedConfig): Promise<StoredState | undefined> {
  const keeper = plugins.find(({ plugin }) => plugin.stored !== undefined);
  const rows = await keeper?.plugin.stored?.(keeper.options);
  if (rows === undefined) return undefined;
  const problems: string[] = [];
  const pools = new ManagedPools({
    clock: systemClock,
    drainTimeout: 0,
    workers: () => [],
    report: ({ kind, key }, problem) => problems.push(`${kind} ${key}: ${problem}`),
  });
  // Their plugins declare them when they start; here it is enough that these are in the config.
  for (const { name } of plugins) {
    pools.settings.declare(name, { schema: z.record(z.string(), z.unknown()), base: {} });
  }
  await pools.useStore(new FixedStore(rows));
  pools.setConfig(serversOf(settings), poolSettingsOf(settings));
  return { overview: overviewText(overviewOf(pools.state)), problems };
}
