// A real Weldr for tests: the command `weldr start` with a test's config, as processes.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { childrenOf, isRunning } from './processes.ts';
import { until } from './until.ts';

const project = resolve(fileURLToPath(import.meta.url), '../../..');

// The package that `npm test` has built starts in half the time of the sources, which run if there is none.
const built = (): string | undefined => process.env['TEST_PACKAGE'];

/** Returns Node's arguments for the command of `root`, by default of the built package. */
export function commandFrom(root: string = built() ?? project): readonly string[] {
  const bundle = join(root, 'dist/bin/weldr.js');
  // This project may have a bundle of earlier sources.
  return root !== project && existsSync(bundle)
    ? [bundle]
    : ['-C', 'weldr-source', join(root, 'bin/weldr.ts')];
}

// Not TypeScript: each process that strips types loads a compiler first, which takes as long as the rest of a start.
const configName = 'weldr.config.mjs';

/** A line of the log, with pino's fields. */
export interface LogRecord {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Options of a Weldr. */
export interface WeldrOptions {
  /**
   * The text of its config, without types; `weldr` and `weldr/plugins` can be imported. Listen on `127.0.0.1:0`; the same
   * for the admin API. Relative paths are relative to the Weldr's folder.
   */
  readonly config: string;
  /** Its `--workers`; default: from the config. */
  readonly workers?: number;
  /** More flags. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** More files in its folder, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** The `folder` of an earlier Weldr, whose files stay. Default: a new, temporary one. */
  readonly folder?: string;
  /** The folder of the code to run; default: this project. */
  readonly root?: string;
  /** Node's arguments for the command; default: from that folder. */
  readonly command?: readonly string[];
  /** A line of shell to run before it, such as `ulimit -n 256`. */
  readonly shell?: string;
  /** File descriptors of this process that it inherits from 3 on. */
  readonly descriptors?: readonly number[];
  /** Resolve at once, instead of when it listens; `url` is empty then. */
  readonly noWait?: true;
}

/** A running Weldr. */
export interface TestWeldr {
  /** The URL of the first address for clients, such as `http://127.0.0.1:40123`. */
  readonly url: string;
  /** The URL of its admin API; empty without one. */
  readonly adminUrl: string;
  /** The process id of the manager. */
  readonly pid: number;
  readonly folder: string;
  /** Returns the process ids of the running workers. */
  workers(): number[];
  /** Its log so far. */
  readonly logs: readonly LogRecord[];
  /** Its output to stderr, and to stdout besides the log. */
  readonly output: string;
  /** Resolves with the first log record that passes; earlier ones count too, from `from` on. */
  logged(
    passes: (record: LogRecord) => boolean,
    options?: { from?: number; timeoutMs?: number },
  ): Promise<LogRecord>;
  /** Replaces the config file, as {@link write} does. */
  writeConfig(text: string): void;
  /** Replaces a file of its folder in one step, so that a reload under way reads the old text or the new one, never half. */
  write(name: string, text: string): void;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with its exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
  /** Sends SIGTERM and waits for the end. `keep`: leave the folder for another Weldr. */
  stop(options?: { keep?: boolean }): Promise<number | NodeJS.Signals>;
  /** Sends SIGKILL to the manager, and waits until the workers have ended too. */
  kill(options?: { keep?: boolean }): Promise<void>;
}

/** Starts a Weldr. Rejects with all its output if it ends before it listens. Always `stop` or `kill` it. */
export async function startWeldr(options: WeldrOptions): Promise<TestWeldr> {
  const folder = options.folder ?? makeFolder(options.root);
  for (const [name, text] of Object.entries({ ...options.files, [configName]: options.config })) {
    writeFileSync(join(folder, name), text);
  }
  const args = [
    ...(options.workers === undefined ? [] : ['--workers', String(options.workers)]),
    ...(options.args ?? []),
  ];
  const start = [process.execPath, ...(options.command ?? commandFrom(options.root)), 'start', ...args];
  const shell = options.shell === undefined ? [] : ['bash', '-c', `${options.shell}; exec "$0" "$@"`];
  const [program = '', ...programArgs] = [...shell, ...start];
  const child = spawn(program, programArgs, {
    cwd: folder,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe', ...(options.descriptors ?? [])],
  });
  const weldr = new WeldrProcess(child, folder, options.folder === undefined);
  if (options.noWait === undefined) await weldr.listening();
  return weldr;
}

/** Runs the command `weldr` to its end, with `input` as its stdin. */
export async function runWeldr(
  args: readonly string[],
  options: { cwd?: string; env?: Readonly<Record<string, string>>; input?: string } = {},
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [...commandFrom(), ...args], {
    cwd: options.cwd ?? tmpdir(),
    env: { ...cleanEnvironment(), ...options.env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [code, signal] = await once(child, 'close');
  return { code: code ?? signal, stdout, stderr };
}

/** Makes a temporary folder in which `weldr` and `weldr/plugins` can be imported. Remove it at the end. */
export function makeFolder(root: string = built() ?? project): string {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-test-'));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/weldr'));
  // npm installs Weldr's dependencies beside it, and plugins use them.
  symlinkSync(join(project, 'node_modules/zod'), join(folder, 'node_modules/zod'));
  return folder;
}

/** Makes a copy of the code, which a test may change. Remove it at the end. */
export function copyProject(): string {
  const root = mkdtempSync(join(tmpdir(), 'weldr-code-'));
  const folder = built();
  const parts = folder === undefined ? ['bin', 'config', 'core', 'plugins'] : ['dist'];
  for (const name of [...parts, 'package.json']) {
    cpSync(join(folder ?? project, name), join(root, name), { recursive: true });
  }
  symlinkSync(join(project, 'node_modules'), join(root, 'node_modules'));
  return root;
}

/** A test's Weldr must not inherit this shell's variables for another one. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WELDR_')));
}

class WeldrProcess implements TestWeldr {
  readonly folder: string;
  readonly logs: LogRecord[] = [];
  readonly exited: Promise<number | NodeJS.Signals>;
  url = '';
  adminUrl = '';
  output = '';
  private readonly child: ChildProcess;
  private readonly temporary: boolean;
  private rest = '';
  private ended = false;

  constructor(child: ChildProcess, folder: string, temporary: boolean) {
    this.child = child;
    this.folder = folder;
    this.temporary = temporary;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => this.read(text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      // The runner shows what was printed during a test that fails.
      process.stderr.write(text);
      this.output += text;
    });
    this.exited = once(child, 'exit').then(([code, signal]) => {
      this.ended = true;
      return code ?? signal;
    });
  }

  get pid(): number {
    if (this.child.pid === undefined) throw new Error('it could not be started');
    return this.child.pid;
  }

  /** Resolves once it accepts connections. */
  async listening(): Promise<void> {
    const record = await this.logged(({ msg }) => msg === 'listening');
    const [address] = Array.isArray(record['listen']) ? record['listen'] : [];
    this.url = `http://${address}`;
    const admin = this.logs.find(line => line['plugin'] === 'admin-api' && 'address' in line);
    if (admin !== undefined) this.adminUrl = `${admin['scheme']}://${admin['address']}`;
  }

  workers(): number[] {
    return childrenOf(this.pid);
  }

  async logged(
    passes: (record: LogRecord) => boolean,
    { from = 0, timeoutMs = 20_000 }: { from?: number; timeoutMs?: number } = {},
  ): Promise<LogRecord> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const found = this.logs.slice(from).find(passes);
      if (found !== undefined) return found;
      if (this.ended) throw new Error(`weldr has ended: ${await this.exited}\n${this.everything()}`);
      if (performance.now() > deadline)
        throw new Error(`never logged in ${timeoutMs} ms\n${this.everything()}`);
      await sleep(10);
    }
  }

  writeConfig(text: string): void {
    this.write(configName, text);
  }

  write(name: string, text: string): void {
    const path = join(this.folder, name);
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  async stop({ keep = false } = {}): Promise<number | NodeJS.Signals> {
    if (!this.ended) this.signal('SIGTERM');
    const code = await this.exited;
    this.clean(keep);
    return code;
  }

  async kill({ keep = false } = {}): Promise<void> {
    const workers = this.ended ? [] : this.workers();
    if (!this.ended) this.signal('SIGKILL');
    await this.exited;
    await until('the workers of a killed manager end', () => !workers.some(isRunning), 60_000);
    this.clean(keep);
  }

  private clean(keep: boolean): void {
    if (this.temporary && !keep) rmSync(this.folder, { recursive: true, force: true });
  }

  private read(text: string): void {
    process.stdout.write(text);
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line.startsWith('{')) this.logs.push(JSON.parse(line));
      else this.output += `${line}\n`;
    }
  }

  private everything(): string {
    return [...this.logs.map(record => JSON.stringify(record)), this.output].join('\n');
  }
}
