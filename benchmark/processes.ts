// Processes: starts all processes of the benchmark, and ends them with it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A running process. */
export interface Running {
  readonly pid: number;
  /** The end of its output. */
  readonly output: string;
  readonly hasEnded: boolean;
  readonly ended: Promise<void>;
}

/** Options of a process. */
export interface RunOptions {
  /** The cores that it and its children may use. */
  readonly cores: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const execute = promisify(execFile);
const keptOutput = 8_000;
const stopTimeout = 3_000;
const startTimeout = 60_000;

/** The leaders of the process groups that run. */
const leaders = new Set<number>();
const ending = new AbortController();
let folder: string | undefined;
let folders = 0;

/** Returns a new, empty folder that is removed when the benchmark ends. */
export function temporaryFolder(name: string): string {
  folder ??= mkdtempSync(join(tmpdir(), 'weldr-benchmark-'));
  const path = join(folder, `${name}-${++folders}`);
  mkdirSync(path);
  return path;
}

/** Starts a process pinned to cores, as the leader of a new process group. */
export function run(command: string, args: readonly string[], { cores, cwd, env }: RunOptions): Running {
  const child = spawn('taskset', ['-c', cores.join(','), command, ...args], {
    cwd,
    env: { ...inheritedEnvironment(), ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid = -1 } = child;
  const running = { pid, output: '', hasEnded: false };
  leaders.add(pid);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      running.output = (running.output + text).slice(-keptOutput);
    });
  }
  const ended = once(child, 'exit').then(() => {
    running.hasEnded = true;
    // The group also holds what a killed parent left behind.
    send(-pid, 'SIGKILL');
    leaders.delete(pid);
  });
  return Object.assign(running, { ended });
}

/** Runs a command to its end. Resolves with its stdout; rejects if it fails or takes longer than `timeout` ms. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  { cores, cwd, env, timeout }: RunOptions & { readonly timeout: number },
): Promise<string> {
  const { stdout } = await execute('taskset', ['-c', cores.join(','), command, ...args], {
    cwd,
    env: { ...inheritedEnvironment(), ...env },
    timeout,
    killSignal: 'SIGKILL',
    signal: ending.signal,
  });
  return stdout;
}

/** Ends a process; kills its group if it does not end. */
export async function stop({ pid, hasEnded, ended }: Running): Promise<void> {
  if (hasEnded) return;
  send(pid, 'SIGTERM');
  await Promise.race([ended, sleep(stopTimeout, undefined, { ref: false })]);
  send(-pid, 'SIGKILL');
  await ended;
}

/** Resolves once `holds` does, asked every `pause` ms; rejects if the process ends first or takes too long. */
export async function waitFor(
  running: Running,
  holds: () => Promise<boolean>,
  { pause }: { readonly pause: number },
): Promise<void> {
  const deadline = performance.now() + startTimeout;
  while (!(await holds())) {
    if (running.hasEnded) throw new Error(`it ended during its start: ${running.output}`);
    if (performance.now() > deadline) throw new Error(`it does not serve: ${running.output}`);
    await sleep(pause);
  }
}

/** Kills all processes and removes the temporary folder at the end of this process, on signals too. */
export function cleanUpAtExit(): void {
  process.once('exit', () => {
    ending.abort();
    for (const pid of leaders) send(-pid, 'SIGKILL');
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

/** Returns the environment without the variables of npm and of a developer's shell for Node. */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(NODE_|npm_|WELDR_|UV_)/.test(name));
  return Object.fromEntries(kept);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has already ended.
  }
}
