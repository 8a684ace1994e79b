// The start of a manager: log, plugins, pools, sockets and workers, in an order that leaves nothing behind when it fails.
import { systemClock } from '../time/clock.ts';
import type { ManagerParts } from './manager-parts.ts';

/**
 * Reads the config and starts plugins and workers; resolves when all workers accept connections. Rejects with
 * CONFIG_INVALID, LISTEN_FAILED or PLUGIN_FAILED, once everything that had started has ended.
 */
export async function startUp(parts: ManagerParts): Promise<void> {
  const { groups, kinds, pools, processLog, sockets } = parts;
  groups.prepareFirst();
  const config = await parts.load();
  const { settings } = config;
  await processLog.open({ level: settings.logLevel, file: settings.log.file });
  for (const text of config.warnings) processLog.log.warn(text);
  // Between the death of the last worker and its replacement nothing else may keep the process alive.
  const keepAlive = setInterval(() => {}, 2 ** 30);
  parts.atEnd(() => clearInterval(keepAlive));
  const group = groups.add(config);
  const plugins = parts.newPlugins(group);
  const opening = sockets.add(settings.listen);
  opening.catch(() => {});
  try {
    group.spawn();
    await inherit(parts, opening);
    parts.setKinds(config);
    await plugins.start(config.plugins);
    // Before the servers are set, so that checks judge them from the first moment.
    await parts.runTime.takeOver(plugins, config.defined);
    await parts.setPools(config);
    pools.retain(plugins.names);
    kinds.begin();
    parts.config = config;
    parts.takeOver(group, plugins);
    await Promise.all([group.load(), opening]);
    await group.listen();
    sockets.keepInherited();
  } catch (thrown) {
    parts.plugins = undefined;
    await group.kill();
    await plugins.close();
    await opening.catch(() => {});
    parts.end();
    throw thrown;
  }
  processLog.log.info({ listen: parts.status.listen, workers: group.size, pid: process.pid }, 'listening');
  announceStart(parts);
  plugins.hooks.listening.call();
}

/** Announces that this Weldr serves: to the events, to a process that it replaces, to the log and the service manager. */
function announceStart(parts: ManagerParts): void {
  const { options, processLog, recorder, report } = parts;
  const { held, predecessor, version } = options;
  const stopWatching = recorder.watch({
    storeIsAway: () => parts.pools.state.stale,
    dangling: () => report.danglingText,
  });
  parts.atEnd(stopWatching);
  const listen = parts.status.listen.join(', ');
  const since = predecessor === undefined ? '' : ', in place of the previous process';
  recorder.add({ type: 'manager.started', text: `Weldr ${version} serves at ${listen}${since}` });
  predecessor?.replace(version);
  for (const address of held?.addresses ?? []) {
    processLog.log.warn(
      `the service manager opened ${address}, but no entry of listen has this address: Weldr accepts no connections there`,
    );
  }
  report.overview();
  parts.tellReady(`listening on ${listen}`);
}

/** Has the process that this one replaces release everything, once nothing is expected to go wrong here. */
async function inherit(parts: ManagerParts, opening: Promise<void>): Promise<void> {
  const { predecessor } = parts.options;
  if (predecessor === undefined) return;
  await opening;
  const { ticketKeys, events, ...heritage } = await predecessor.release();
  if (events !== undefined) parts.events.inherit(events);
  parts.pools.inherit(heritage);
  parts.tls.inherit(ticketKeys);
  parts.pools.state.observe(changes => {
    predecessor.tell({ by: 'the new process', at: systemClock.now(), changes });
  });
}
