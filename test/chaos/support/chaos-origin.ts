// An origin as a separate process, which can be killed, stopped and told to misbehave.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../support/ports.ts';
import type { Behaviour } from './origin-process.ts';

const program = fileURLToPath(new URL('origin-process.ts', import.meta.url));

/** One origin; it keeps its port and its record over restarts. */
export class ChaosOrigin {
  readonly port: number;
  private readonly record: string;
  private child: ChildProcess | undefined;

  private constructor(port: number) {
    this.port = port;
    this.record = join(tmpdir(), `posts-${port}`);
    writeFileSync(this.record, '');
  }

  static async start(): Promise<ChaosOrigin> {
    const origin = new ChaosOrigin(await freePort());
    await origin.start();
    return origin;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The ids of the POST requests that it has executed, in order. */
  get executed(): string[] {
    return readFileSync(this.record, 'utf8').split('\n').filter(Boolean);
  }

  /** Starts the process; also after a kill. */
  async start(): Promise<void> {
    const child = fork(program, [String(this.port), this.record], { stdio: 'inherit' });
    this.child = child;
    await once(child, 'message');
  }

  async behave(behaviour: Behaviour): Promise<void> {
    const answered = once(this.running(), 'message');
    this.running().send({ behaviour });
    await answered;
  }

  signal(signal: NodeJS.Signals): void {
    this.running().kill(signal);
  }

  /** Sends SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  private running(): ChildProcess {
    if (this.child === undefined) throw new Error('this origin is dead');
    return this.child;
  }
}

/** Starts `count` origins. */
export async function startOrigins(count: number): Promise<ChaosOrigin[]> {
  return await Promise.all(Array.from({ length: count }, () => ChaosOrigin.start()));
}

/** Returns the POST ids that were executed more than once, by all origins together. */
export function executedTwice(origins: readonly ChaosOrigin[]): string[] {
  const seen = new Set<string>();
  const twice: string[] = [];
  for (const id of origins.flatMap(origin => origin.executed)) {
    if (seen.has(id)) twice.push(id);
    seen.add(id);
  }
  return twice;
}
