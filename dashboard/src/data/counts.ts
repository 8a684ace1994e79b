// What was counted of the servers, as `GET /stats/detail` tells it: sums, from which two answers make rates.
import { keyOf, type ServerNumbers, type ServerState } from './server.ts';

/** One entry of `GET /stats/detail`. */
export interface Counted {
  readonly id: string;
  readonly pool: string;
  readonly state: ServerState;
  readonly reason: string;
  readonly success: number;
  readonly failed: number;
  readonly inFlight: number;
  readonly latency: { readonly p50: number | null; readonly p99: number | null };
}

interface Sums {
  readonly success: number;
  readonly failed: number;
}

/** Makes rates of sums, over some 10 seconds. */
export class Counts {
  private readonly answers: { readonly at: number; readonly sums: ReadonlyMap<string, Sums> }[] = [];

  /** What the servers do now, by key. */
  take(list: readonly Counted[], at: number): Map<string, ServerNumbers> {
    const sums = new Map(list.map(({ pool, id, success, failed }) => [keyOf(pool, id), { success, failed }]));
    const before = this.answers[0];
    this.answers.push({ at, sums });
    if (this.answers.length > 5) this.answers.shift();
    return new Map(
      list.map(({ pool, id, success, failed, inFlight, latency }) => {
        const key = keyOf(pool, id);
        const numbers: ServerNumbers = { inFlight, p50: latency.p50, p99: latency.p99 };
        const old = before?.sums.get(key);
        if (before === undefined || old === undefined || at <= before.at) return [key, numbers];
        const bad = Math.max(0, failed - old.failed);
        const all = Math.max(0, success - old.success) + bad;
        const rate = all / ((at - before.at) / 1000);
        return [key, { ...numbers, rate, errorShare: all === 0 ? 0 : bad / all }];
      }),
    );
  }
}
