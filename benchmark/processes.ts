// Processes: starts all processes of the benchmark, and ends them with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A running process. */
export interface Running {
  readonly pid: number;
  /** The end of its output. */
  readonly output: string;
  /** Resolves once it has ended. */
  readonly ended: Promise<void>;
}

/** Options of a process. */
export interface RunOptions {
  /** The cores that it and its children may use. */
  readonly cores: readonly number[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const keptOutput = 8_000;
const stopTimeout = 3_000;
const startTimeout = 15_000;

const children = new Set<ChildProcess>();
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
export function run(command: string, args: readonly string[], options: RunOptions): Running {
  const child = spawn('taskset', ['-c', options.cores.join(','), command, ...args], {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-keptOutput);
    });
  }
  const ended = new Promise<void>(resolve => {
    child.once('error', error => {
      output += error.message;
      children.delete(child);
      resolve();
    });
    child.once('exit', () => {
      // The group also holds what a killed parent left behind.
      signalGroup(child, 'SIGKILL');
      children.delete(child);
      resolve();
    });
  });
  return {
    pid: child.pid ?? -1,
    ended,
    get output() {
      return output;
    },
  };
}

/** Runs a command to its end. Resolves with its stdout; rejects if it fails or takes longer than `timeoutMs`. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  options: RunOptions & { timeoutMs: number },
): Promise<string> {
  const child = spawn('taskset', ['-c', options.cores.join(','), command, ...args], {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), ...options.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-keptOutput);
  });
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), options.timeoutMs);
  try {
    const [code, signal] = await once(child, 'close');
    if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}: ${stderr || stdout}`);
    return stdout;
  } finally {
    clearTimeout(timer);
    children.delete(child);
  }
}

/** Ends a process; kills its group if it does not end. */
export async function stop(running: Running): Promise<void> {
  const child = [...children].find(one => one.pid === running.pid);
  if (child === undefined) return;
  child.kill('SIGTERM');
  await Promise.race([running.ended, sleep(stopTimeout, undefined, { ref: false })]);
  signalGroup(child, 'SIGKILL');
  await running.ended;
}

/** Resolves once something listens on this port; rejects if the process ends first or takes too long. */
export async function listening(running: Running, port: number): Promise<void> {
  let gone = false;
  void running.ended.then(() => {
    gone = true;
  });
  const deadline = performance.now() + startTimeout;
  while (!(await accepts(port))) {
    if (gone) throw new Error(`it ended during its start: ${running.output}`);
    if (performance.now() > deadline)
      throw new Error(`it does not listen on port ${port}: ${running.output}`);
    await sleep(20);
  }
}

/** Returns a free port below those of outgoing connections, so that none of them can take it. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 15_000 + Math.floor(Math.random() * 15_000);
    const server = createServer();
    const free = await new Promise<boolean>(resolve => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise(resolve => server.close(resolve));
    if (free) return port;
  }
  throw new Error('no free port between 15000 and 30000');
}

/** Kills all processes and removes the temporary folder. */
export function cleanUp(): void {
  for (const child of children) signalGroup(child, 'SIGKILL');
  children.clear();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  folder = undefined;
}

/** Cleans up at the end of this process, on signals too. */
export function cleanUpAtExit(): void {
  process.once('exit', cleanUp);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has already ended.
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Returns the environment without the variables of npm and of a developer's shell for Node. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(NODE_|npm_|WELDR_|UV_)/.test(name)),
  );
}
