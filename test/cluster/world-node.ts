// WorldNode: a Weldr on its machine, with its log and its admin API.
import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { childrenOf, isRunning } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { commandFrom, makeFolder } from '../support/weldr.ts';
import type { LabMachine, ProgramResult } from './lab-machine.ts';
import { installedCommand, type PackageVersion, type VersionPackages } from './version-package.ts';

const errorLevel = 50;

const record = z.looseObject({ level: z.number(), time: z.iso.datetime(), msg: z.string().default('') });
const taken = z.looseObject({ msg: z.literal('another process has taken over'), successor: z.number() });
const reasons = z.looseObject({
  stale: z.boolean(),
  leader: z.string().nullable(),
  address: z
    .looseObject({
      held: z.boolean(),
      by: z.string().nullable().optional(),
      reason: z.string().nullable().optional(),
    })
    .optional(),
  election: z
    .looseObject({ state: z.string().optional(), reason: z.string().nullable().optional() })
    .optional(),
  etcd: z.looseObject({ problem: z.string().optional() }).optional(),
});

/** The leadership and the address in `GET /cluster`. */
export type ClusterView = z.output<typeof reasons>;

/** A Weldr on its machine. */
export class WorldNode {
  readonly name: string;
  readonly machine: LabMachine;
  /** The lines of its log. */
  readonly lines: string[] = [];
  private readonly folder = makeFolder();
  private child: ChildProcess | undefined;
  /** The manager that has replaced the one that was started. */
  private successor: number | undefined;
  /** Arguments of Node that run the command `weldr`. */
  private command = commandFrom();

  constructor(name: string, machine: LabMachine, config: string) {
    this.name = name;
    this.machine = machine;
    writeFileSync(join(this.folder, 'weldr.config.ts'), config);
  }

  start(): void {
    this.successor = undefined;
    this.child = this.machine.spawn(process.execPath, [...this.command, 'start'], {
      cwd: this.folder,
      env: { ...process.env, NODE_ENV: 'production' },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', text => this.lines.push(text));
    }
  }

  /** Installs a version of the package in place of the running one, as npm does. */
  install(packages: VersionPackages, version: PackageVersion): void {
    packages.install(version, this.folder);
    this.command = installedCommand(this.folder);
  }

  /** `weldr upgrade`: another process replaces this one. Resolves when it has. */
  async upgrade(): Promise<ProgramResult> {
    const from = this.lines.length;
    const result = await this.weldr('upgrade');
    if (result.code !== 0) return result;
    await until(`${this.name} names its successor`, () => {
      for (const line of this.lines.slice(from)) {
        this.successor = taken.safeParse(parsed(line)).data?.successor ?? this.successor;
      }
      return this.successor !== undefined;
    });
    return result;
  }

  /** The manager's process. */
  get pid(): number {
    if (this.successor !== undefined) return this.successor;
    const { pid } = this.child ?? {};
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  get runs(): boolean {
    if (this.successor !== undefined) return isRunning(this.successor);
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Whether it has ended with an error, not by a signal. */
  get failed(): boolean {
    return (this.child?.exitCode ?? 0) !== 0;
  }

  /** The processes of its workers. */
  workers(): number[] {
    return childrenOf(this.pid).filter(pid => commandOf(pid).startsWith('weldr: worker'));
  }

  /** The process that holds the address for it; two while one ends. */
  holders(): number[] {
    return childrenOf(this.pid).filter(pid => commandOf(pid).includes('holder-process'));
  }

  /** Signals the manager; for SIGTERM and SIGKILL resolves when it has ended. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const { child, successor } = this;
    if (child === undefined || !this.runs) return;
    const ends = signal === 'SIGTERM' || signal === 'SIGKILL';
    if (successor !== undefined) {
      process.kill(successor, signal);
      if (ends) await until(`${this.name} ends`, () => !isRunning(successor), 20_000);
      return;
    }
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill(signal);
    if (ends) await gone;
  }

  /** Runs the command `weldr` on its machine. */
  async weldr(...args: string[]): Promise<ProgramResult> {
    return await this.machine.result(process.execPath, [...this.command, ...args], {
      cwd: this.folder,
    });
  }

  /** Calls its admin API. The status is 0 when there is no answer within `seconds`. */
  async admin(
    method: string,
    path: string,
    body?: unknown,
    seconds = 5,
  ): Promise<{ status: number; text: string }> {
    const data = body === undefined ? [] : ['--data-binary', '@-'];
    const url = `http://127.0.0.1:8687${path}`;
    const args = ['-s', '-m', String(seconds), '-X', method, ...data, '-w', '\n%{http_code}', url];
    const { stdout } = await this.machine.result('curl', args, {
      ...(body !== undefined && { input: JSON.stringify(body) }),
    });
    const split = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(split + 1)), text: stdout.slice(0, Math.max(0, split)) };
  }

  /** The answer of `GET /cluster`; undefined: none. */
  async view(): Promise<ClusterView | undefined> {
    const { status, text } = await this.admin('GET', '/cluster');
    return status === 200 ? reasons.parse(JSON.parse(text)) : undefined;
  }

  /** Its errors in the log from a wall time (ms) on: message and fields, as text. */
  errorsSince(at: number): { at: number; text: string }[] {
    return this.lines.flatMap(line => {
      const { data } = record.safeParse(parsed(line));
      if (data === undefined || data.level < errorLevel || Date.parse(data.time) < at) return [];
      const { level: _, time, ...fields } = data;
      return [{ at: Date.parse(time), text: JSON.stringify(fields) }];
    });
  }

  /** Whether its pool serves, and follows the cluster. */
  async isInStep(): Promise<boolean> {
    const { status, text } = await this.admin('GET', '/cluster');
    if (status !== 200 || JSON.parse(text).stale) return false;
    return (await this.admin('GET', '/readyz')).status === 200 && (await this.ports()).length > 0;
  }

  /** The ports of the servers in its pool. */
  async ports(): Promise<number[]> {
    const { status, text } = await this.admin('GET', '/servers');
    if (status !== 200) return [];
    const { servers } = JSON.parse(text) as { servers: { port: number | string; reason: string }[] };
    return servers
      .filter(({ reason }) => reason !== 'removed')
      .map(({ port }) => Number(port))
      .sort();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Empty: it has ended. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
