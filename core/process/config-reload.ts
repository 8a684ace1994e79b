// A reload: the config read again, new workers and plugins in place of the old ones, or everything as it was.
import { describeError, WeldrError } from '../errors.ts';
import type { ManagerSides } from '../plugin/manager-sides.ts';
import { settlesWithin } from './bounded-wait.ts';
import type { RecordedConfig } from './config-source.ts';
import { coreSource } from './event-recorder.ts';
import type { ManagerParts } from './manager-parts.ts';
import type { WorkerGroup } from './worker-group.ts';

/** How long a reload waits for the old workers to confirm that they accept no more connections, ms. */
const acceptNoMoreTimeout = 5_000;

/**
 * Reads the config again and replaces plugins and workers. Resolves when the new workers accept connections and the old
 * ones no longer do; the old ones may still be finishing their requests. Rejects with what is wrong with the new
 * config, and then the old one stays active. `by`: who or what asks for it.
 */
export async function reloadConfig(parts: ManagerParts, by: string): Promise<void> {
  const { lifecycle, recorder, reloads } = parts;
  parts.tellService('reloading', 'reading the config');
  try {
    await replaceConfig(parts, by);
  } catch (thrown) {
    reloads.failed();
    const reason = reasonOf(thrown);
    if (!lifecycle.isEnding) recorder.reloadFailed(reason, by);
    parts.tellReady(`the last reload changed nothing: ${reason}`);
    throw thrown;
  }
  reloads.succeeded();
  recorder.reloaded(by);
  parts.tellReady(`reloaded; listening on ${parts.status.listen.join(', ')}`);
}

/** Returns why a reload failed, without the lines of a file that are shown below a message. */
function reasonOf(thrown: unknown): string {
  const isOperators = thrown instanceof WeldrError && thrown.blame === 'operator';
  return (isOperators ? thrown.message : describeError(thrown)).replaceAll(/\n {4}.*/g, '');
}

async function replaceConfig(parts: ManagerParts, by: string): Promise<void> {
  const { groups, pools, sockets } = parts;
  const { log } = parts.processLog;
  const { inCharge: oldGroup } = groups;
  const { plugins: oldPlugins } = parts;
  if (oldGroup === undefined || oldPlugins === undefined) {
    throw new WeldrError('INTERNAL', 'a reload needs a config before it');
  }
  const config = await parts.load();
  const { group, plugins } = await newInPlaceOf(oldGroup, oldPlugins, config, parts);
  const { settings } = config;
  log.level = settings.logLevel;
  for (const text of config.warnings) log.warn(text);
  if (settings.log.file !== oldGroup.config.settings.log.file) {
    log.warn('log.file has changed: it takes effect at the next start');
  }
  parts.config = config;
  parts.takeOver(group, plugins);
  oldGroup.deliverTo((...message) => plugins.receive(...message));
  parts.setKinds(config);
  await parts.setPools(config);
  pools.retain(plugins.names);
  parts.problems.retain([coreSource, ...plugins.names]);
  parts.sums.keep(plugins.names);
  await group.listen();
  void groups.retire(oldGroup);
  await acceptNoMore(oldGroup, parts);
  // Otherwise clients that connect to a removed address would wait for the old workers' end.
  sockets.keep(settings.listen);
  log.info({ by, listen: parts.status.listen, workers: group.size }, 'reloaded');
  parts.report.overview();
  plugins.hooks.listening.call();
}

/** Starts the workers and the manager sides of a config; rejects once the old ones are restored. */
async function newInPlaceOf(
  oldGroup: WorkerGroup,
  oldPlugins: ManagerSides,
  config: RecordedConfig,
  parts: ManagerParts,
): Promise<{ group: WorkerGroup; plugins: ManagerSides }> {
  const { groups, lifecycle, sockets } = parts;
  const group = groups.add(config);
  try {
    group.spawn();
    await sockets.add(config.settings.listen);
    await group.load();
    if (lifecycle.isEnding) throw new WeldrError('CONFLICT', 'this Weldr was stopped meanwhile');
    const plugins = await replacePlugins(oldGroup, oldPlugins, group, parts);
    return { group, plugins };
  } catch (thrown) {
    await groups.drop(group);
    sockets.keep(oldGroup.config.settings.listen);
    throw thrown;
  }
}

/** Replaces the manager sides; if the new ones do not start, the old ones are started again. */
async function replacePlugins(
  oldGroup: WorkerGroup,
  oldPlugins: ManagerSides,
  group: WorkerGroup,
  parts: ManagerParts,
): Promise<ManagerSides> {
  const { runTime } = parts;
  runTime.release();
  await oldPlugins.close();
  const plugins = parts.newPlugins(group);
  try {
    await plugins.start(group.config.plugins);
    await runTime.takeOver(plugins, group.config.defined);
    return plugins;
  } catch (thrown) {
    await plugins.close();
    await parts.restorePlugins(oldGroup);
    throw thrown;
  }
}

/** Clients that connect after a reload get the new config: no old worker accepts then. */
async function acceptNoMore(oldGroup: WorkerGroup, { processLog }: ManagerParts): Promise<void> {
  if (await settlesWithin(acceptNoMoreTimeout, oldGroup.stoppedAccepting())) return;
  processLog.log.warn('an old worker does not react: until it does, it may still accept connections');
}
