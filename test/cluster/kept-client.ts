// KeptClient: a client in a machine of the lab that keeps its connections, and the results of its requests.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { LabMachine } from './lab.ts';

const line = z.object({
  at: z.number(),
  what: z.enum(['answered', 'broken', 'refused', 'retried']),
  error: z.string(),
});

type Line = z.output<typeof line>;

/** Sends requests until it is closed. */
export class KeptClient {
  private readonly lines: Line[] = [];
  private readonly child: ChildProcess;

  constructor(machine: LabMachine, host: string, port: number) {
    const script = fileURLToPath(new URL('kept-client-process.ts', import.meta.url));
    this.child = machine.spawn(process.execPath, [script, host, String(port)]);
    if (this.child.stdout === null) throw new Error('no output to read');
    createInterface({ input: this.child.stdout }).on('line', text =>
      this.lines.push(line.parse(JSON.parse(text))),
    );
  }

  /** The number of good answers from a wall time (ms) on. */
  answersSince(from: number): number {
    return this.lines.filter(({ at, what }) => what === 'answered' && at >= from).length;
  }

  /** Failures from a wall time (ms) on, one line each. */
  troublesSince(from: number): string[] {
    const troubles = this.lines.filter(
      ({ at, what }) => at >= from && what !== 'answered' && what !== 'retried',
    );
    return troubles.map(({ at, what, error }) => `${at - from} ms: ${what}: ${error}`);
  }

  /** The longest time without an answer that ended after a wall time, ms. */
  longestGap(from: number): number {
    const good = this.lines.filter(({ what }) => what === 'answered').map(({ at }) => at);
    const gaps = good.slice(1).map((at, i) => (at < from ? 0 : at - (good[i] ?? at)));
    return Math.max(0, ...gaps);
  }

  close(): void {
    this.child.kill('SIGKILL');
  }
}
