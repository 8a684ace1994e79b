// PoolFacts: facts about a pool, from one pass over its servers.
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { Upstream, UpstreamState } from '../../core/pool/pool.ts';
import type { TrafficWindow } from './traffic-window.ts';

/** A server that is down. */
interface DownServer {
  readonly id: string;
  /** The complaints about it. */
  readonly reason: string;
  /** ms since the epoch; undefined: unknown. */
  readonly since: number | undefined;
}

/** A pool at one moment. */
export interface PoolFacts {
  readonly name: string;
  readonly servers: number;
  readonly available: number;
  readonly states: Readonly<Record<UpstreamState, number>>;
  readonly down: readonly DownServer[];
  /** Servers that take requests and fail many of them: the failed share by id. */
  readonly failing: ReadonlyMap<string, number>;
  readonly inFlight: number;
}

/** Collects the facts about a pool. `since`: when servers entered their states; `window`: the recent traffic. */
export function poolFacts(
  { pools, traffic }: Pick<ManagerSide, 'pools' | 'traffic'>,
  name: string,
  { since, window }: { since: WeakMap<Upstream, number>; window: Pick<TrafficWindow, 'failingIn'> },
): PoolFacts {
  const states = { active: 0, down: 0, draining: 0, disabled: 0 };
  const down: DownServer[] = [];
  const failing = window.failingIn(name);
  let [servers, inFlight] = [0, 0];
  for (const { upstream, complaints } of pools.list(name)) {
    const { id, state } = upstream;
    servers++;
    states[state]++;
    inFlight += traffic.inFlight(name, id);
    if (state !== 'active') failing.delete(id);
    if (state !== 'down') continue;
    const [reason = upstream.record.reason] = complaints.values();
    down.push({ id, reason, since: since.get(upstream) });
  }
  return { name, servers, available: pools.counts(name)?.available ?? 0, states, down, failing, inFlight };
}
