// pool-file: keeps run-time changes in a file on this machine.
import { z } from 'zod';
import { definePlugin } from '../../core/plugin/define-plugin.ts';
import { FixedStore } from '../../core/state/fixed-store.ts';
import { checkKeyFile, readKeyFile } from '../../core/state/key-file.ts';
import { SealedStore } from '../../core/state/sealed-store.ts';
import { peek } from './journal-reading.ts';
import { PoolJournal } from './pool-journal.ts';

const options = z
  .strictObject({
    path: z
      .string()
      .min(1)
      .max(4096)
      .default('weldr-pool.json')
      .describe('The file; relative to the working directory.'),
    keyFile: z
      .string()
      .min(1)
      .max(4096)
      .optional()
      .describe('TLS keys are encrypted with the key in this file, which is created if it is missing.'),
  })
  .describe('Keeps run-time changes in a file on this machine.');

/** The options of `poolFile`, as written in a config; each has a default. */
export type PoolFileOptions = z.input<typeof options>;

/**
 * Stores run-time changes in a file: a change is on disk before it is confirmed. The start fails with STORE_UNAVAILABLE when
 * another Weldr uses the file, and with CONFIG_INVALID when there cannot be a file at `path`.
 */
export const poolFile = definePlugin({
  name: 'pool-file',
  schema: options,
  async stored({ path, keyFile }) {
    const rows = await peek(path);
    if (keyFile !== undefined) await checkKeyFile(keyFile);
    if (keyFile === undefined || rows.length === 0) return rows;
    return await new SealedStore(new FixedStore(rows), await readKeyFile(keyFile, 'refuse')).load();
  },
  async manager({ log, clock, onClose, operator }, { path, keyFile }) {
    const key = keyFile === undefined ? undefined : await readKeyFile(keyFile, 'make');
    const journal = await PoolJournal.open({ path, log, clock });
    onClose(() => journal.close());
    await operator.useStore(key === undefined ? journal : new SealedStore(journal, key));
  },
});
