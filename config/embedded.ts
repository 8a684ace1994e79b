// Embedded Weldr: manager and worker in the process of another program, with a config from code.

import { checkConfig, type WeldrConfig } from '../core/config/config.ts';
import { warningsOf } from '../core/config/warnings.ts';
import { WeldrError } from '../core/errors.ts';
import { openLog } from '../core/log/log.ts';
import type { ManagerStatus } from '../core/plugin/plugin.ts';
import { emptyRecording } from '../core/process/config-source.ts';

/** A Weldr that runs in this process. */
export interface RunningWeldr {
  /** Where clients connect, such as `127.0.0.1:8080`, with a port 0 of the config replaced by the actual one. */
  readonly addresses: readonly string[];
  readonly status: ManagerStatus;
  /** Finishes the requests in flight, for up to the config's `drainTimeout`, then stops everything. */
  close(): Promise<void>;
}

/**
 * Starts Weldr in this process, `workers: 0`: for embedding and tests. Resolves when it accepts connections. Rejects
 * with CONFIG_INVALID, LISTEN_FAILED or PLUGIN_FAILED, and then nothing runs. It handles no signals and has
 * no file to reload.
 */
export async function startWeldr(config: WeldrConfig): Promise<RunningWeldr> {
  if (config.workers !== undefined && config.workers !== 0) {
    throw new WeldrError('CONFIG_INVALID', 'workers: startWeldr() runs in this process; leave it out', {
      field: 'workers',
    });
  }
  // Every config imports this module, and hardly any embeds Weldr.
  const [{ Manager }, { version }] = await Promise.all([
    import('../core/process/manager.ts'),
    import('../core/package/version.ts'),
  ]);
  let read = false;
  const manager = new Manager({
    config: '',
    overrides: { workers: 0 },
    version,
    spawn: () => {
      throw new WeldrError('INTERNAL', 'startWeldr() has no worker processes');
    },
    load: async (_, overrides) => {
      if (read)
        throw new WeldrError('CONFLICT', 'this Weldr was started from code: it has no file to reload');
      read = true;
      const checked = checkConfig(config, overrides);
      return { ...checked, recording: emptyRecording, warnings: warningsOf(checked, config) };
    },
    openLog,
  });
  await manager.start();
  return {
    get addresses() {
      return manager.status.listen;
    },
    status: manager.status,
    close: () => manager.stop(),
  };
}
