// An upgrade: another process, of the version that is installed now, replaces this one.
import { describeError, WeldrError } from '../errors.ts';
import { HandOver } from './hand-over.ts';
import type { Takeover } from './lifecycle.ts';
import type { ManagerParts } from './manager-parts.ts';
import { announceStop } from './shutdown.ts';

/** Starts the other process. Throws CONFLICT where it cannot. */
export function beginUpgrade(parts: ManagerParts): Takeover {
  const { recorder } = parts;
  const handOver = newHandOver(parts);
  return {
    async run() {
      try {
        return await handOver.run();
      } catch (thrown) {
        const reason = describeError(thrown);
        const text = `the upgrade failed, and changed nothing: ${reason}`;
        recorder.add({ type: 'upgrade.failed', severity: 'error', text, reason });
        throw thrown;
      }
    },
    cancel: async () => await handOver.cancel(),
  };
}

/** Ends what is left of this process after another one has replaced it. */
export async function leave(parts: ManagerParts): Promise<void> {
  parts.sockets.leave();
  await parts.groups.retireAll();
  parts.end();
  parts.processLog.log.info('stopped: another process has taken over');
  parts.options.onSucceeded?.();
}

function newHandOver(parts: ManagerParts): HandOver {
  const { groups, lifecycle, options, plugins } = parts;
  const { inCharge: group } = groups;
  const successor = options.spawnSuccessor?.(batch => parts.follow(batch));
  if (successor === undefined || group === undefined) {
    throw new WeldrError(
      'CONFLICT',
      'only a Weldr that `weldr start` runs can be replaced by another process',
    );
  }
  return new HandOver(successor, {
    log: parts.processLog.log,
    version: options.version,
    sockets: () => parts.sockets.asHeld(),
    heritage: () => ({
      ...parts.pools.heritage,
      ticketKeys: parts.tls.ticketKeys,
      events: parts.events.heritage,
    }),
    closePlugins: async () => {
      lifecycle.yield();
      parts.runTime.release();
      await announceStop(parts, group.config.settings.drainTimeout);
      await plugins?.close();
      // The sockets stay open in another process.
      await parts.addressRelease.settled();
    },
    restorePlugins: async () => {
      lifecycle.takeBack();
      await parts.restorePlugins(group);
    },
  });
}
