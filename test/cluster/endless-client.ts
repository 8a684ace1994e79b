// EndlessClient: a client in a machine of the lab, and what it observed in a span of time.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { LabMachine } from './lab-machine.ts';

const line = z.object({
  at: z.number(),
  settled: z.boolean(),
  ok: z.boolean(),
  status: z.number(),
  error: z.string(),
  broken: z.boolean(),
  tries: z.number(),
});

/** One request that ended, or one attempt that failed. */
export type ClientLine = z.output<typeof line>;

/** What the client observed. */
export interface ClientReport {
  readonly requests: number;
  /** Requests answered with an error, or not within five seconds. */
  readonly failed: number;
  /** Requests that were sent and got no complete answer; they were sent again. */
  readonly broken: number;
  /** Attempts whose connection failed or broke; they were made again. */
  readonly reconnects: number;
  /** The longest time between two good answers, ms; 0 for the usual time between them. */
  readonly longestGap: number;
  /** Kinds of failures, with their counts. */
  readonly errors: Readonly<Record<string, number>>;
}

/** The most time between two answers on a busy machine while nothing happens and no attempt fails, ms. */
const quiet = 100;

/** Sums up a client's lines in a span of wall time, ms. */
export function reportOf(lines: readonly ClientLine[], from: number, to: number): ClientReport {
  const good = lines.filter(({ ok }) => ok).map(({ at }) => at);
  const before = good.filter(at => at < from).at(-1) ?? from;
  const times = [before, ...good.filter(at => at >= from && at <= to), to];
  const span = lines.filter(({ at }) => at >= from && at <= to);
  const errors: Record<string, number> = {};
  for (const { ok, error, status } of span) {
    if (ok) continue;
    const kind = error === '' ? `status ${status}` : error;
    errors[kind] = (errors[kind] ?? 0) + 1;
  }
  const reconnects = span.filter(({ settled }) => !settled).length;
  const failed = span.filter(({ settled, ok }) => settled && !ok).length;
  const gap = Math.max(...times.slice(1).map((at, i) => at - (times[i] ?? at)));
  return {
    requests: span.filter(({ settled }) => settled).length,
    failed,
    broken: span.filter(({ broken }) => broken).length,
    reconnects,
    longestGap: gap < quiet && reconnects + failed === 0 ? 0 : gap,
    errors,
  };
}

/** Sends requests until it is closed. */
export class EndlessClient {
  private readonly lines: ClientLine[] = [];
  private readonly child: ChildProcess;

  constructor(machine: LabMachine, host: string, port: number) {
    const script = fileURLToPath(new URL('client-process.ts', import.meta.url));
    this.child = machine.spawn(process.execPath, [script, host, String(port)]);
    if (this.child.stdout === null) throw new Error('no output to read');
    createInterface({ input: this.child.stdout }).on('line', text =>
      this.lines.push(line.parse(JSON.parse(text))),
    );
  }

  /** The number of good answers so far. */
  get answers(): number {
    return this.lines.filter(({ ok }) => ok).length;
  }

  /** When the first good answer arrived after a wall time (ms); undefined: none yet. */
  answeredAfter(at: number): number | undefined {
    return this.lines.find(entry => entry.ok && entry.at >= at)?.at;
  }

  /** Sums up from one wall time (ms) to another; a gap counts when it ends later. */
  report(from: number, to = Date.now()): ClientReport {
    return reportOf(this.lines, from, to);
  }

  close(): void {
    this.child.kill('SIGKILL');
  }
}
