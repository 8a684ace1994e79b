// file-discovery: keeps in a pool the servers that a file lists, and follows it.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import {
  discoveryOptions,
  guardOf,
  poolOf,
  sourceNameOf,
  warnOfDiscovery,
} from '../../core/plugin/discovery-options.ts';
import { FoundServers } from '../../core/plugin/found-servers.ts';
import { duration, size } from '../../core/settings/duration.ts';

const options = z
  .strictObject({
    ...discoveryOptions,
    path: z.string().min(1).max(4096).describe('The file: JSON where its name ends in `.json`, else YAML.'),
    scheme: z
      .enum(['http', 'https', 'h2c'])
      .default('http')
      .describe('How `targets` are spoken to, which are HOST:PORT.'),
    interval: duration()
      .refine(ms => ms >= 100, 'an interval is at least 100ms')
      .prefault('5s')
      .describe('How often the file is looked at, beside being watched.'),
    maxSize: size()
      .refine(bytes => bytes >= 1 && bytes <= 64 * 1024 ** 2, 'a size is at most 64mb')
      .prefault('1mb')
      .describe('The longest file that is read.'),
  })
  .describe('Keeps in a pool the servers that a file lists.');

/** What `fileDiscovery` takes, as people write it. */
export type FileDiscoveryOptions = z.input<typeof options>;

/**
 * The plugin that follows a file: `fileDiscovery({ path: '/etc/weldr/servers.yaml' })`. It lists servers as the config does, or
 * `targets` and `labels` as Prometheus' file_sd_config has them. While it is not there or not valid, and when it
 * suddenly lists nobody, the last good list stays.
 */
export const fileDiscovery = definePlugin({
  name: 'file-discovery',
  schema: options,
  check: warnOfDiscovery,
  async manager({ pools, scope, log, clock, metrics, onClose }, parsed) {
    const pool = poolOf(parsed, scope);
    const source = pools.source(sourceNameOf(parsed, 'file', pool), guardOf(parsed));
    const found = new FoundServers({ source, place: `the file ${parsed.path}`, log, clock, metrics });
    // The options of before a reload may have named another one.
    for (const other of source.pools) if (other !== pool) found.leave(other);
    const { FileWatch } = await import('./file-watch.ts');
    const watch = new FileWatch({ ...parsed, pool, found, clock });
    onClose(() => watch.close());
    await watch.start();
  },
});
