// file-discovery: finds the servers of a pool in a file, and follows changes.
import { z } from 'zod';
import { duration, size } from '../../core/options/duration.ts';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import {
  discoveryOptions,
  guardOf,
  poolOf,
  sourceNameOf,
  warnOfDiscovery,
} from '../../core/plugin/discovery-options.ts';
import { FoundServers } from '../../core/plugin/found-servers.ts';

const options = z
  .strictObject({
    ...discoveryOptions,
    path: z.string().min(1).max(4096).describe('The file: JSON if its name ends in `.json`, otherwise YAML.'),
    scheme: z
      .enum(['http', 'https', 'h2c'])
      .default('http')
      .describe('The scheme of `targets`, which are HOST:PORT.'),
    interval: duration()
      .refine(ms => ms >= 100, 'an interval is at least 100ms')
      .prefault('5s')
      .describe('How often the file is checked, besides being watched.'),
    maxSize: size()
      .refine(bytes => bytes >= 1 && bytes <= 64 * 1024 ** 2, 'a size is at most 64mb')
      .prefault('1mb')
      .describe('The longest file that is read.'),
  })
  .describe('Finds the servers of a pool in a file.');

/** The options of `fileDiscovery`, as written in a config. */
export type FileDiscoveryOptions = z.input<typeof options>;

/**
 * Follows a file: `fileDiscovery({ path: '/etc/weldr/servers.yaml' })`. It lists servers as in the config, or `targets` and
 * `labels` as in Prometheus' file_sd_config. While the file is missing or invalid, and when it suddenly lists no servers, the
 * last good list stays.
 */
export const fileDiscovery = definePlugin({
  name: 'file-discovery',
  schema: options,
  check: warnOfDiscovery,
  async manager({ pools, scope, log, clock, metrics, onClose }, parsed) {
    const pool = poolOf(parsed, scope);
    const source = pools.source(sourceNameOf(parsed, 'file', pool), guardOf(parsed));
    const found = new FoundServers({ source, place: `the file ${parsed.path}`, log, clock, metrics });
    // The options before a reload may have named another pool.
    for (const other of source.pools) if (other !== pool) found.leave(other);
    const { FileWatch } = await import('./file-watch.ts');
    const watch = new FileWatch({ ...parsed, pool, found, clock });
    onClose(() => watch.close());
    await watch.start();
  },
});
