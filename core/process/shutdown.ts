// The stop of a manager: hooks, then workers within the config's drainTimeout, then plugins.
import { settlesWithin } from './bounded-wait.ts';
import type { ManagerParts } from './manager-parts.ts';

/** Stops everything; resolves when nothing is left. In the phase `cutting` it waits for no request. */
export async function shutDown(parts: ManagerParts): Promise<void> {
  const { groups, lifecycle, processLog, recorder } = parts;
  processLog.logIfOpen?.info('stopping');
  recorder.add({ type: 'manager.stopping', text: 'Weldr stops, and finishes what is under way' });
  parts.tellService('stopping', 'finishing what is under way');
  await endUnderWay(parts);
  const timeout = groups.inCharge?.config.settings.drainTimeout ?? 0;
  const isCut = () => lifecycle.phase === 'cutting';
  if (!isCut()) await announceStop(parts, timeout);
  const ended = isCut() ? groups.killAll() : groups.drainAll(timeout);
  // The sockets may be the service manager's, and stay open.
  await parts.addressRelease.settled();
  // Otherwise clients that connect during the drain would wait in a backlog from which nothing accepts.
  parts.sockets.keep([]);
  await ended;
  await parts.plugins?.close();
  parts.end();
  processLog.logIfOpen?.info('stopped');
}

/** Tells the plugins that the stop begins, and waits for them within `timeoutMs`. */
export async function announceStop({ plugins, processLog }: ManagerParts, timeoutMs: number): Promise<void> {
  try {
    await settlesWithin(timeoutMs, plugins?.hooks.stopping.promise());
  } catch (thrown) {
    processLog.log.error({ err: thrown }, 'a plugin failed while stopping');
  }
}

/** Waits for a start and for reloads, no longer than for a drain: then the workers that have not started are ended. */
async function endUnderWay({ groups, lifecycle, processLog }: ManagerParts): Promise<void> {
  await lifecycle.cancelUpgrade();
  const quiet = lifecycle.quiet();
  const timeout = groups.inCharge?.config.settings.drainTimeout;
  if (timeout === undefined || (await settlesWithin(timeout, quiet))) {
    await quiet;
    return;
  }
  processLog.log.warn('Weldr is stopping, and a worker takes too long to start: it is killed');
  for (const group of groups) if (!group.loaded) void group.kill();
  await quiet;
}
