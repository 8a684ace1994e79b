// An example plugin that finds servers by itself: those of a JSON file, such as one that a deployment writes.
import { readFile } from 'node:fs/promises';
import { definePlugin, duration } from 'weldr';
import { z } from 'zod';

const options = z.strictObject({
  /** The file: a list of URLs, or of objects as in the config. Replace it by a rename, so that it is read whole. */
  path: z.string().min(1),
  pool: z.string().default('default'),
  /** How often it is read. */
  interval: duration().default(1000),
});

/** Keeps in a pool what the file lists: who is missing leaves when it has finished what it has. */
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
          log.info(change, 'the file lists other servers');
        trouble = '';
      } catch (thrown) {
        // The servers of before stay: a file that is broken says nothing about them.
        if (String(thrown) !== trouble) log.error({ err: thrown }, `${path} is of no use; the servers stay`);
        trouble = String(thrown);
      }
    }
    await look();
    // The options of before a reload may have named another pool.
    for (const other of source.pools) if (other !== pool) source.replace(other, []);
    onClose(clock.every(interval, () => void look()));
  },
});
