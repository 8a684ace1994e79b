// An example plugin that discovers servers: those in a JSON file, such as one that a deployment writes.
import { readFile } from 'node:fs/promises';
import { definePlugin, duration } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** The file: a list of URLs, or of objects as in the config. Replace it by a rename, so that no half of it is read. */
  path: z.string().min(1),
  pool: z.string().default('default'),
  /** How often the file is read. */
  interval: duration().default(1000),
});

/** Keeps the servers of the file in a pool: a server that is missing leaves when its requests have ended. */
export const serversFile = definePlugin({
  name: 'servers-file',
  schema: options,
  async manager({ pools, log, clock, onClose }, { path, pool, interval }) {
    const source = pools.source('servers-file');
    let trouble = '';
    async function look(): Promise<void> {
      try {
        const change = source.replace(pool, JSON.parse(await readFile(path, 'utf8')));
        if (change.added + change.removed + change.changed > 0)
          log.info(change, 'the servers in the file have changed');
        trouble = '';
      } catch (thrown) {
        // A broken file says nothing about the servers, so they stay.
        if (String(thrown) !== trouble)
          log.error({ err: thrown }, `${path} cannot be used; the servers stay`);
        trouble = String(thrown);
      }
    }
    await look();
    // Before a reload the options may have named another pool.
    for (const other of source.pools) if (other !== pool) source.replace(other, []);
    onClose(clock.every(interval, () => void look()));
  },
});
