// Overviews: the state of Weldr now, computed once for all readers, and its traffic of the last 15 minutes.
import type { Leadership } from '../../core/plugin/manager-hooks.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import { type CurrentProblem, currentProblems } from './current-problems.ts';
import { type PoolFacts, poolFacts } from './pool-facts.ts';
import { ServerChanges, type ServerText } from './server-changes.ts';
import { step, TrafficWindow } from './traffic-window.ts';

/** How old a text may be if nothing has happened since, ms. */
const freshFor = 500;

/** What survives a reload. */
export class OverviewMemory {
  readonly window = new TrafficWindow();
  /** When each server entered its state, ms since the epoch. */
  readonly since = new WeakMap<Upstream, number>();
}

/** The sources of {@link Overviews}. */
export type OverviewSide = Pick<
  ManagerSide,
  'status' | 'pools' | 'certificates' | 'events' | 'traffic' | 'hooks' | 'clock' | 'onClose'
>;

type Text = { readonly at: number; readonly last: number; readonly text: string };

/** Builds overviews and collects their data, from its creation to the end of the plugin. */
export class Overviews {
  private readonly side: OverviewSide;
  private readonly memory: OverviewMemory;
  private readonly listeners = new Set<() => void>();
  private leadership: Leadership | undefined;
  private overview: Text | undefined;
  private readonly servers = new Map<string, Text>();
  /** All servers, for their followers. */
  readonly changes: ServerChanges;

  constructor(side: OverviewSide, memory: OverviewMemory) {
    this.side = side;
    this.memory = memory;
    this.changes = new ServerChanges(
      () => this.allServers(),
      () => side.clock.now(),
    );
    const { pools, traffic, hooks, clock, onClose } = side;
    onClose(traffic.follow(counts => memory.window.record(counts)));
    onClose(
      pools.observe({
        upstreamChanged: (upstream, before) => {
          if (before?.state !== upstream.state) memory.since.set(upstream, clock.now());
        },
      }),
    );
    hooks.leaderChanged.tap('admin-api', now => {
      this.leadership = now;
    });
    onClose(clock.every(step, () => this.tick()));
  }

  /** Calls `listener` at the end of each step; returns a function that stops it. */
  onStep(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The overview without its history, as JSON. */
  get text(): string {
    if (!this.isFresh(this.overview)) this.overview = this.stamped(this.current());
    return this.overview.text;
  }

  /** The overview with its history. */
  get whole(): object {
    const { window } = this.memory;
    return { ...this.current(), history: this.side.traffic.counted ? window.history : null };
  }

  /** Returns the servers of a pool as JSON; undefined: there is no such pool. */
  serversText(pool: string): string | undefined {
    if (this.side.pools.counts(pool) === undefined) return undefined;
    const known = this.servers.get(pool);
    if (this.isFresh(known)) return known.text;
    const made = this.stamped(this.serversOf(pool));
    this.servers.set(pool, made);
    return made.text;
  }

  private tick(): void {
    const { clock } = this.side;
    this.memory.window.tick(clock.now(), clock.monotonic());
    this.overview = undefined;
    // Texts that are no longer read are dropped, too.
    this.servers.clear();
    this.changes.next();
    for (const listener of this.listeners) listener();
  }

  private isFresh(text: Text | undefined): text is Text {
    const { clock, events } = this.side;
    return text !== undefined && text.last === events.last && clock.now() - text.at < freshFor;
  }

  private stamped(value: object): Text {
    const { clock, events } = this.side;
    return { at: clock.now(), last: events.last, text: JSON.stringify(value) };
  }

  private current() {
    const { side, leadership } = this;
    const { status, pools, clock } = side;
    const facts = pools.names.map(name => poolFacts(side, name, this.memory));
    const problems = currentProblems(side, facts, leadership, clock.now());
    return {
      at: clock.now(),
      status: worst(problems),
      version: status.version,
      startedAt: status.startedAt,
      workers: { ready: status.readyWorkers, wanted: status.wantedWorkers },
      cluster: leadership === undefined ? null : clusterOf(leadership),
      problems,
      traffic: this.trafficOf(facts),
      pools: facts.map(fact => this.poolOf(fact)),
    };
  }

  private trafficOf(facts: readonly PoolFacts[]) {
    if (!this.side.traffic.counted) return null;
    return { ...this.memory.window.now, inFlight: facts.reduce((sum, { inFlight }) => sum + inFlight, 0) };
  }

  private poolOf({ name, servers, available, states, inFlight }: PoolFacts) {
    const figures = this.side.traffic.counted ? { ...this.memory.window.ofPool(name), inFlight } : null;
    return { name, servers, available, states, traffic: figures };
  }

  private serversOf(pool: string) {
    const { pools, clock } = this.side;
    const servers = Array.from(pools.list(pool), ({ upstream }) => this.serverOf(upstream));
    return { at: clock.now(), pool, servers };
  }

  private serverOf(upstream: Upstream) {
    const { traffic } = this.side;
    const { window, since } = this.memory;
    const { pool, id, state, record } = upstream;
    const figures = traffic.counted
      ? { ...window.ofServer(pool, id), inFlight: traffic.inFlight(pool, id) }
      : null;
    return { id, state, reason: record.reason, since: since.get(upstream) ?? null, traffic: figures };
  }

  private *allServers(): Iterable<ServerText> {
    const { pools } = this.side;
    for (const pool of pools.names) {
      for (const { upstream } of pools.list(pool)) {
        yield { pool, id: upstream.id, text: JSON.stringify({ pool, ...this.serverOf(upstream) }) };
      }
    }
  }
}

function worst([first]: readonly CurrentProblem[]): 'ok' | CurrentProblem['severity'] {
  return first?.severity ?? 'ok';
}

function clusterOf({ leading, leader }: Leadership) {
  return { leading, leader: leader ?? null };
}
