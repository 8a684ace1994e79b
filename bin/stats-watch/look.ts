// Look: the totals and rates between two readings of the counts.
import type { Counts, Outcomes, ServerCounts } from './counts.ts';
import type { Overview } from './overview.ts';

/** Totals, and their growth per second; undefined: not known yet. */
export interface Tally {
  readonly success: number;
  readonly failed: number;
  /** Requests that ended, per second, failed ones included. */
  readonly rate: number | undefined;
  readonly failedRate: number | undefined;
}

/** One server. */
export interface ServerLook extends Tally {
  readonly id: string;
  readonly pool: string;
  readonly state: string | undefined;
  readonly reason: string;
  readonly inFlight: number | undefined;
  /** The mean time to the response head since the reading before, ms; undefined: there was no response. */
  readonly meanMs: number | undefined;
  /** The 99th percentile of the time to the response head since the start, ms. */
  readonly p99Ms: number | undefined;
  /** Its counts as the API reports them. */
  readonly counts: ServerCounts;
}

/** The figures of one moment. */
export interface Look {
  readonly client: Tally;
  readonly server: Tally;
  /** In the order of the API. */
  readonly servers: readonly ServerLook[];
  /** Undefined when this Weldr reports none. */
  readonly overview?: Overview | undefined;
}

/** Compares two readings. Without `before`, or when the counts have restarted since, there are no rates. */
export function lookAt(now: Counts, before: Counts | undefined): Look {
  const base = before === undefined || hasRestarted(now, before) ? undefined : before;
  const seconds = base === undefined ? 0 : (now.atMs - base.atMs) / 1000;
  const known = new Map(base?.servers.map(counts => [keyOf(counts), counts]));
  return {
    client: tallyOf(now.client, base?.client, seconds),
    server: tallyOf(now.server, base?.server, seconds),
    servers: now.servers.map(counts => {
      // All counts of a server that has joined since are new.
      const first = base === undefined ? undefined : (known.get(keyOf(counts)) ?? nothing);
      return serverLook(counts, first, seconds);
    }),
  };
}

const nothing = { success: 0, failed: 0 };

/** Returns whether the counts have restarted: while Weldr runs, the sums only grow, as they include servers that have left. */
function hasRestarted(now: Counts, before: Counts): boolean {
  return isLess(now.client, before.client) || isLess(now.server, before.server);
}

const isLess = (now: Outcomes, before: Outcomes): boolean =>
  now.success < before.success || now.failed < before.failed;

const keyOf = ({ pool, id }: ServerCounts): string => `${pool} ${id}`;

function tallyOf({ success, failed }: Outcomes, before: Outcomes | undefined, seconds: number): Tally {
  const isKnown = before !== undefined && seconds > 0 && !isLess({ success, failed }, before);
  return {
    success,
    failed,
    rate: isKnown ? (success - before.success + failed - before.failed) / seconds : undefined,
    failedRate: isKnown ? (failed - before.failed) / seconds : undefined,
  };
}

function serverLook(
  counts: ServerCounts,
  before: (Outcomes & Pick<ServerCounts, 'latency'>) | undefined,
  seconds: number,
): ServerLook {
  const { id, pool, state, reason = '', inFlight, latency } = counts;
  const answered = (latency?.count ?? 0) - (before?.latency?.count ?? 0);
  const took = (latency?.sum ?? 0) - (before?.latency?.sum ?? 0);
  return {
    id,
    pool,
    state,
    reason,
    inFlight,
    ...tallyOf(counts, before, seconds),
    meanMs: before !== undefined && answered > 0 && took >= 0 ? took / answered : undefined,
    p99Ms: latency?.p99 ?? undefined,
    counts,
  };
}
