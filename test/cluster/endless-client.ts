// EndlessClient: a client in a machine of the lab, and what it has seen in a span of time.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { LabMachine } from './lab.ts';

const line = z.object({
  at: z.number(),
  settled: z.boolean(),
  ok: z.boolean(),
  status: z.number(),
  error: z.string(),
  tries: z.number(),
});

type Line = z.output<typeof line>;

/** What the client saw. */
export interface ClientReport {
  readonly requests: number;
  /** Requests that were answered with an error, or not at all in five seconds. */
  readonly failed: number;
  /** Attempts whose connection failed, and that were repeated. */
  readonly reconnects: number;
  /** The longest time between two good answers, ms. */
  readonly longestGap: number;
  /** Kinds of failures, with their counts. */
  readonly errors: Readonly<Record<string, number>>;
}

/** Asks without end. */
export class EndlessClient {
  private readonly lines: Line[] = [];
  private readonly child: ChildProcess;

  constructor(machine: LabMachine, host: string, port: number) {
    const script = fileURLToPath(new URL('client-process.ts', import.meta.url));
    this.child = machine.spawn(process.execPath, [script, host, String(port)]);
    if (this.child.stdout === null) throw new Error('no output to read');
    createInterface({ input: this.child.stdout }).on('line', text =>
      this.lines.push(line.parse(JSON.parse(text))),
    );
  }

  /** How many good answers came so far. */
  get answers(): number {
    return this.lines.filter(({ ok }) => ok).length;
  }

  /** What it saw from one wall time (ms) on; a gap counts when it ends later. */
  report(from: number): ClientReport {
    const now = Date.now();
    const good = this.lines.filter(({ ok }) => ok).map(({ at }) => at);
    const before = good.filter(at => at < from).at(-1) ?? from;
    const times = [before, ...good.filter(at => at >= from), now];
    const span = this.lines.filter(({ at }) => at >= from);
    const errors: Record<string, number> = {};
    for (const { ok, error, status } of span) {
      if (ok) continue;
      const kind = error === '' ? `status ${status}` : error.replace(/ \d.*$/, '');
      errors[kind] = (errors[kind] ?? 0) + 1;
    }
    return {
      requests: span.filter(({ settled }) => settled).length,
      failed: span.filter(({ settled, ok }) => settled && !ok).length,
      reconnects: span.filter(({ settled }) => !settled).length,
      longestGap: Math.max(...times.slice(1).map((at, i) => at - (times[i] ?? at))),
      errors,
    };
  }

  close(): void {
    this.child.kill('SIGKILL');
  }
}
