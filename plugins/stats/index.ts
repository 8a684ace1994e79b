// stats: counts requests and attempts in the workers, adds the counts up in the manager, and serves GET /stats.
import { z } from 'zod';
import type { LatencyHistogram } from '../../core/bounded/latency-histogram.ts';
import { duration } from '../../core/options/duration.ts';
import type { AdminAnswer } from '../../core/plugin/admin.ts';
import { channel, definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ManagerSide, WorkerSide } from '../../core/plugin/plugin.ts';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import { type FlushRequest, FlushRounds } from './flush-rounds.ts';
import { type Counts, RequestCounters } from './request-counters.ts';
import { Totals } from './totals.ts';

const options = z
  .strictObject({
    interval: duration()
      .refine(ms => ms >= 10, 'an interval is at least 10ms')
      .prefault('250ms')
      .describe(
        'How often workers report their counts, of 500 servers at most. A killed worker loses what it has not reported.',
      ),
  })
  .describe('Counts requests and attempts, for GET /stats of the admin API.');

/** The options of `stats`, as written in a config. */
export type StatsOptions = z.input<typeof options>;

/** A worker's report; `answers` names the round in which it was asked. */
interface Told {
  readonly counts?: Counts | undefined;
  readonly answers?: number | undefined;
}

// Reporting 10,000 servers at once would delay a worker's requests by more than 10 ms.
const mostServersATime = 500;

/** The longest that `GET /stats` waits for a worker, ms. */
const patienceMs = 250;

/** Counts requests and attempts: `GET /stats`, `GET /stats/detail`. */
export const stats = definePlugin({
  name: 'stats',
  schema: options,
  channel: channel<Told, FlushRequest>(),
  memory: () => new Totals(),
  worker: (side, { interval }) => count(side, interval),
  manager: addUp,
});

function count(side: WorkerSide<Told, FlushRequest>, intervalMs: number): void {
  const { hooks, pools, clock, channel: manager, onClose } = side;
  const counters = new RequestCounters(pools);
  const tell = (most?: number, answers?: number) => {
    const counts = counters.take(most);
    if (counts !== undefined || answers !== undefined) manager.send({ counts, answers });
  };
  hooks.preProxy.tap('stats', ctx => {
    if (!ctx.rehearsal) counters.attemptBegins(ctx);
    return undefined;
  });
  hooks.attemptFinished.tap('stats', ctx => {
    if (!ctx.rehearsal) counters.attemptFinished(ctx);
  });
  hooks.finished.tap('stats', ctx => {
    if (!ctx.rehearsal) counters.requestFinished(ctx);
  });
  manager.onMessage(({ flush }) => tell(undefined, flush));
  onClose(() => tell());
  onClose(clock.every(intervalMs, () => tell(mostServersATime)));
}

function addUp(side: ManagerSide<Told, FlushRequest, Totals>): void {
  const { hooks, pools, admin, clock, memory: totals, channel: workers, onClose } = side;
  const rounds = new FlushRounds(workers, clock, patienceMs);
  const known = (pool: string, id: string) => pools.get(pool, id) !== undefined;
  const traffic = side.traffic.provide({
    inFlight: (pool, id) => totals.inFlight(pool, id),
    hits: route => totals.hits(route),
  });
  onClose(() => traffic.end());
  workers.onMessage(({ counts, answers }, worker) => {
    if (counts !== undefined) {
      totals.add(worker, counts, { known, now: clock.now() });
      traffic.record(counts);
    }
    if (answers !== undefined) rounds.answered(answers, worker);
  });
  hooks.workerExited.tap('stats', worker => {
    totals.workerExited(worker);
    rounds.workerExited(worker);
  });
  onClose(pools.observe({ removed: upstream => totals.forget(upstream) }));
  onClose(() => rounds.close());

  const get = (path: string, rel: string, summary: string, answer: () => AdminAnswer) =>
    admin.add({
      method: 'GET',
      path,
      rel,
      summary,
      answers: { 200: summary },
      async handle() {
        await rounds.ask();
        return answer();
      },
    });
  get('/stats', 'stats', 'Requests of clients, and to servers', () => ({
    status: 200,
    body: { client: totals.client, server: totals.server },
  }));
  get('/stats/routes', 'stats-routes', 'Requests of clients by the route that took them', () => ({
    status: 200,
    body: totals.allHits,
  }));
  get('/stats/detail', 'stats-detail', 'Requests to each server', () => ({
    status: 200,
    body: detail(pools, totals),
  }));
}

function allEntries(pools: ManagerPools): PoolEntry[] {
  return pools.names.flatMap(name => [...pools.list(name)]);
}

/** The port is text, for compatibility; a unix socket has a path and no port. */
function placeOf({ endpoint }: Upstream) {
  if (endpoint.kind === 'unix') return { path: endpoint.path };
  return { ip: endpoint.hostname, port: String(endpoint.port) };
}

function detail(pools: ManagerPools, totals: Totals) {
  return allEntries(pools).map(({ upstream }) => {
    const { success, failed, inFlight, connectErrors, latency } = totals.of(upstream.pool, upstream.id);
    return {
      id: upstream.id,
      ...placeOf(upstream),
      pool: upstream.pool,
      state: upstream.state,
      reason: upstream.record.reason,
      success,
      failed,
      inFlight,
      connectErrors,
      latency: latencyOf(latency),
    };
  });
}

function latencyOf(latency: LatencyHistogram) {
  return {
    p50: latency.quantile(0.5),
    p90: latency.quantile(0.9),
    p99: latency.quantile(0.99),
    count: latency.count,
    sum: latency.sum,
  };
}
