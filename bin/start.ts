// `weldr start` and `weldr check`. A start forks the first worker before it imports the manager's modules, so that both
// processes boot at the same time.
import { flushCompileCache } from 'node:module';
import { basename } from 'node:path';
import type { ConfigWatch } from '../config/config-watch.ts';
import type { SettingFlags } from '../config/overrides.ts';
import { describeError, WeldrError } from '../core/errors.ts';
import type { ProcessLog } from '../core/log/log.ts';
import type { LoadedConfig } from '../core/process/config-source.ts';
import { exitOnDefect } from '../core/process/defects.ts';
import { exitCodeOf, exitCodes } from '../core/process/exit-codes.ts';
import { forkWorker } from '../core/process/forked-worker.ts';
import type { HeldSockets } from '../core/process/held-sockets.ts';
import type { Manager } from '../core/process/manager.ts';
import { releaseProblem } from '../core/process/node-release.ts';
import { ServiceManager } from '../core/process/service-manager.ts';
import { siblingModule } from '../core/process/sibling-module.ts';
import { ignoreSignals, stopSignals } from '../core/process/signals.ts';
import { Predecessor, successorVariable } from '../core/process/succession.ts';
import { spawnSuccessor } from '../core/process/successor-process.ts';
import type { Overrides } from '../core/settings/settings.ts';
import { CommandError, usageError } from './command-error.ts';

/** How long timers and connections of a config may keep `weldr check` running, ms. */
const lastWait = 500;

/** The flags of `weldr start` and `weldr check`. */
export interface StartFlags extends SettingFlags {
  /** The config file; default: the first that is found in the working directory. */
  readonly config?: string | undefined;
  /** Reload when the config, or a module that it imports by path, changes. */
  readonly watch?: boolean | undefined;
}

/** Runs Weldr until it is stopped. Resolves when it listens; ends the process when the start fails. */
export async function start(flags: StartFlags): Promise<Manager | undefined> {
  let processLog: ProcessLog | undefined;
  ignoreSignals('but stops');
  const service = new ServiceManager(process.env, problem => processLog?.log.warn(problem));
  exitOnDefect(() => processLog);
  const end = async (code: number): Promise<void> => {
    await service.flush();
    await processLog?.flush();
    process.exit(code);
  };
  const spawn = () => forkWorker(siblingModule('worker', import.meta.url), () => processLog);
  const inThisProcess = (flags.workers ?? process.env['WELDR_WORKERS']) === '0';
  const firstWorker = inThisProcess ? undefined : spawn();
  let manager: Manager | undefined;
  let path: string | undefined;
  try {
    const { collectStartGarbage, findConfig, loadConfig, Manager, openLog, readOverrides, version } =
      await import('./manager-start.ts');
    const overrides = readFlags(readOverrides, flags);
    path = findConfig(flags.config);
    const predecessor = await predecessorOf(process.env);
    const held = predecessor === undefined ? await heldSockets() : await heldBy(predecessor);
    const watch = flags.watch === true ? await watchOf(path) : undefined;
    manager = new Manager({
      config: path,
      overrides,
      load: loadConfig,
      spawn,
      firstWorker,
      version,
      held,
      predecessor,
      spawnSuccessor,
      onSucceeded: () => void end(exitCodes.ok),
      onState: (state, text) => service.tell(state, text),
      openLog: async options => {
        processLog = await openLog(options);
        return processLog;
      },
    });
    listenToSignals(manager, end, () => processLog);
    await manager.start();
    // Node would write it only at the end, which a crash or `kill -9` prevents.
    flushCompileCache();
    setImmediate(collectStartGarbage);
    await logWarnings(manager, flags, path);
    watch?.start(cause => {
      if (manager?.status.stopping === false) reload(manager, cause, () => processLog);
    });
    return manager;
  } catch (thrown) {
    firstWorker?.kill();
    if (thrown instanceof CommandError) throw thrown;
    if (manager?.status.stopping === true) return undefined;
    process.stderr.write(`weldr: ${startProblem(thrown, path)}\n`);
    await end(exitCodeOf(thrown));
    return undefined;
  }
}

/** Logs likely mistakes around a Weldr that has started: its Node, its environment, a second config. */
async function logWarnings({ log }: Manager, flags: StartFlags, path: string): Promise<void> {
  const lacking = releaseProblem(process.versions.node);
  if (lacking !== undefined) log.warn(lacking);
  for (const text of await aroundConfig(flags, path)) log.warn(text);
}

/** Returns the process that this one replaces; undefined: none. */
async function predecessorOf(env: NodeJS.ProcessEnv): Promise<Predecessor | undefined> {
  if (env[successorVariable] === undefined) return undefined;
  return await Predecessor.meet(env);
}

async function heldBy(predecessor: Predecessor): Promise<HeldSockets> {
  const { HeldSockets } = await import('../core/process/held-sockets.ts');
  return new HeldSockets(predecessor.sockets);
}

/** Returns the sockets that the service manager opened for this process; undefined: none. */
async function heldSockets(): Promise<HeldSockets | undefined> {
  if (process.env['LISTEN_FDS'] === undefined) return undefined;
  const { activatedSockets, HeldSockets } = await import('../core/process/held-sockets.ts');
  return new HeldSockets(activatedSockets(process.env));
}

/** Summarizes what operators changed over the config; undefined when nothing is stored. */
async function storedText(config: LoadedConfig): Promise<string | undefined> {
  const { readStoredState } = await import('../core/process/stored-state.ts');
  try {
    const stored = await readStoredState(config);
    for (const said of stored?.problems ?? []) warn(said);
    return stored?.overview;
  } catch (thrown) {
    // The store may be unreachable, or another user's, while the config is fine.
    if (!(thrown instanceof WeldrError) || thrown.code !== 'STORE_UNAVAILABLE') throw thrown;
    warn(`the changes of operators are not shown: ${thrown.message}`);
    return undefined;
  }
}

/** Reads and checks the config, and prints the result. Returns the exit code. */
export async function check(flags: StartFlags): Promise<number> {
  exitOnDefect(() => undefined);
  let path: string | undefined;
  try {
    const { findConfig, loadConfig, readOverrides } = await import('./manager-start.ts');
    const overrides = readFlags(readOverrides, flags);
    path = findConfig(flags.config);
    const config = await loadConfig(path, overrides);
    const { probeConfig } = await import('../core/process/config-probe.ts');
    const odd = await probeConfig(config);
    const { settings, plugins, warnings } = config;
    const [{ startOutlook }, { serversOf }] = await Promise.all([
      import('../core/process/start-outlook.ts'),
      import('../core/settings/settings.ts'),
    ]);
    const file = basename(path);
    const [{ ListenersTls, certificatesOf }, { validityProblem }] = await Promise.all([
      import('../core/process/listeners-tls.ts'),
      import('../core/certificates/certificate-expiry.ts'),
    ]);
    const ends = certificatesOf(new ListenersTls(settings.listen).materials).flatMap(
      certificate => validityProblem(certificate, Date.now()) ?? [],
    );
    const here = [...odd, ...startOutlook(settings)].map(text => `${file}: ${text}`);
    for (const text of [...(await aroundConfig(flags, path)), ...warnings, ...ends, ...here]) warn(text);
    const stored = await storedText(config);
    const names = plugins.map(plugin => plugin.name).join(', ');
    const count = Object.values(serversOf(settings)).flat().length;
    const servers = count === 1 ? '1 server' : `${count} servers`;
    console.log(`${path} is valid: ${servers}; plugins: ${names || 'none'}`);
    if (stored !== undefined) console.log(stored);
    return exitCodes.ok;
  } catch (thrown) {
    if (thrown instanceof CommandError) throw thrown;
    process.stderr.write(`weldr: ${startProblem(thrown, path)}\n`);
    return exitCodeOf(thrown);
  } finally {
    // A timer of the config must not keep this command running.
    setTimeout(() => process.exit(), lastWait).unref();
  }
}

async function aroundConfig({ config }: StartFlags, path: string): Promise<string[]> {
  const { startWarnings } = await import('./start-warnings.ts');
  return startWarnings(path, { isFound: config === undefined });
}

function warn(text: string): void {
  process.stderr.write(`weldr: warning: ${text}\n`);
}

/** Reads flags and variables; a wrong flag is a usage error, a wrong variable an error of the configuration. */
function readFlags(read: (flags: SettingFlags) => Overrides, flags: StartFlags): Overrides {
  try {
    return read(flags);
  } catch (thrown) {
    if (thrown instanceof WeldrError && thrown.field?.startsWith('--')) throw usageError(thrown.message);
    throw thrown;
  }
}

function listenToSignals(
  manager: Manager,
  end: (code: number) => Promise<void>,
  log: () => ProcessLog | undefined,
): void {
  let asked = 0;
  const stop = (): void => {
    asked++;
    const stopped = asked === 1 ? manager.stop() : manager.cut();
    stopped.then(
      () => end(exitCodes.ok),
      () => end(exitCodes.failed),
    );
  };
  for (const signal of stopSignals) process.on(signal, stop);
  process.on('SIGHUP', () => reload(manager, 'a signal', log));
  process.on('SIGUSR2', () => reload(manager, 'a signal', log));
  process.on('SIGUSR1', () => manager.reopenLog());
}

async function watchOf(path: string): Promise<ConfigWatch> {
  const { ConfigWatch } = await import('../config/config-watch.ts');
  return new ConfigWatch(path);
}

/** Reloads the config. `by`: the trigger. Without a log, nothing is reported: the start has failed and says so itself. */
function reload(manager: Manager, by: string, log: () => ProcessLog | undefined): void {
  manager.reload(by).catch((thrown: unknown) => {
    log()?.log.error({ by }, `the reload changed nothing: ${problem(thrown)}`);
  });
}

/** Puts the file before a message about a part of the config. */
function startProblem(thrown: unknown, path: string | undefined): string {
  const text = problem(thrown);
  const { code, field } = thrown instanceof WeldrError ? thrown : {};
  const isPart =
    code === 'CONFIG_INVALID' && field !== undefined && /^[a-z]/.test(field) && text.startsWith(field);
  return isPart && path !== undefined ? `${basename(path)}: ${text}` : text;
}

function problem(thrown: unknown): string {
  if (thrown instanceof WeldrError && thrown.blame === 'operator') return thrown.message;
  return describeError(thrown);
}
