// DockerWatch: lists the containers of an engine, again after each change, and passes on their servers.

import { describeError } from '../../core/errors.ts';
import type { FoundServers } from '../../core/plugin/found-servers.ts';
import type { ServerInput } from '../../core/pool/server-definition.ts';
import { backOff } from '../../core/time/back-off.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import { LookLoop } from '../../core/time/look-loop.ts';
import { type ContainerDefaults, containerServer, nameOf, readContainer } from './container-server.ts';
import type { Engine, EngineFilters } from './engine.ts';

/** What to list, how often, and the receiver. */
export interface DockerWatchOptions extends ContainerDefaults {
  readonly engine: Engine;
  readonly found: FoundServers;
  readonly clock: Clock;
  /** Whether every container is expected to be for `pool`, so that an empty list of it is reported. */
  readonly onePool: boolean;
  /** Labels that containers need besides `weldr.enable`. */
  readonly labels: readonly string[];
  /** Whether to leave out containers that the engine reports as unhealthy or starting. */
  readonly health: boolean;
  readonly maxServers: number;
  /** From one list to the next without an event, ms. */
  readonly interval: number;
}

/** How long to wait after an event, ms: a starting container causes several, which result in one list. */
const gatherMs = 250;
/** When a list that is held back is requested again, ms. */
const heldMs = 5_000;
/** The pause after the first failure, ms; doubled with each further one. */
const retryMs = 1_000;
const longestRetryMs = 30_000;

/** Events of containers, and of the networks that give them addresses, but not of what runs within them. */
const events: EngineFilters = {
  type: ['container', 'network'],
  event: [
    ...['start', 'die', 'destroy', 'pause', 'unpause', 'rename', 'update', 'health_status'],
    ...['connect', 'disconnect'],
  ],
};

/** One engine. */
export class DockerWatch {
  private readonly options: DockerWatchOptions;
  private readonly filters: EngineFilters;
  private readonly loop: LookLoop;
  private failures = 0;
  private eventFailures = 0;
  /** Why there are no events now. */
  private eventsProblem: string | undefined;
  private stopEvents: () => void = () => {};
  private cancelTimer: CancelTimer = () => {};
  private isClosed = false;

  constructor(options: DockerWatchOptions) {
    const { labels, health } = options;
    this.options = options;
    this.filters = {
      label: ['weldr.enable', ...labels],
      status: ['running'],
      ...(health && { health: ['healthy', 'none'] }),
    };
    this.loop = new LookLoop(options.clock, () => this.look());
  }

  /** Lists for the first time; resolves when done. */
  async start(): Promise<void> {
    this.followEvents();
    await this.loop.start();
  }

  close(): void {
    this.isClosed = true;
    this.cancelTimer();
    this.stopEvents();
    this.loop.close();
    this.options.engine.close();
  }

  /** A list is requested once the stream is connected, so no change before that is missed. */
  private followEvents(): void {
    const { engine, clock, found } = this.options;
    this.stopEvents = engine.follow(events, {
      opened: () => {
        this.eventFailures = 0;
        this.eventsProblem = undefined;
        found.well('events');
        this.loop.soon(0);
      },
      happened: () => this.loop.soon(gatherMs),
      ended: why => {
        if (this.isClosed) return;
        this.eventsProblem = why;
        // If only the stream broke, events are followed again by then.
        this.loop.soon(2 * retryMs);
        this.cancelTimer = clock.after(pause(++this.eventFailures), () => this.followEvents());
      },
    });
  }

  /** Returns how long to wait afterwards, ms. */
  private async look(): Promise<number> {
    const { engine, found, interval } = this.options;
    let list: readonly unknown[];
    try {
      list = await engine.containers(this.filters);
    } catch (thrown) {
      if (!this.isClosed) found.failed(describeError(thrown));
      return Math.min(interval, pause(++this.failures));
    }
    this.failures = 0;
    if (this.isClosed) return interval;
    found.well('');
    // Not while listing fails, too: one message is enough.
    const { eventsProblem: why } = this;
    if (why !== undefined)
      found.trouble(
        'events',
        `it sends no events, its containers are listed every ${interval} ms: ${why}`,
        'warn',
      );
    return this.take(list) ? Math.min(interval, heldMs) : interval;
  }

  /** Passes on the servers; returns whether the list of some pool is held back. */
  private take(list: readonly unknown[]): boolean {
    const { found, pool, onePool } = this.options;
    const pools = this.serversOf(list);
    for (const known of found.pools) if (!pools.has(known)) pools.set(known, new Map());
    if (onePool && !pools.has(pool)) pools.set(pool, new Map());
    let isHeld = false;
    for (const [name, servers] of pools) {
      if (found.put(name, [...servers.values()])?.held !== undefined) isHeld = true;
    }
    return isHeld;
  }

  /** Returns servers by pool and URL. Invalid containers are left out and reported. */
  private serversOf(list: readonly unknown[]): Map<string, Map<string, ServerInput>> {
    const { found, maxServers } = this.options;
    const containers = list.flatMap(entry => readContainer(entry) ?? []);
    const unread = list.length - containers.length;
    if (unread > 0) found.trouble('list', `${unread} of its containers cannot be read`, 'warn');
    else found.well('list');
    containers.sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
    const pools = new Map<string, Map<string, ServerInput>>();
    const seen = new Set<string>();
    let count = 0;
    for (const container of containers) {
      const about = `container ${nameOf(container)}`;
      seen.add(about);
      try {
        const server = containerServer(container, this.options);
        if (server !== undefined && count++ < maxServers) addServer(pools, server);
        found.well(about);
      } catch (thrown) {
        found.trouble(about, `${about} is left out: ${describeError(thrown)}`, 'warn');
      }
    }
    found.retainTroubles(about => !about.startsWith('container ') || seen.has(about));
    if (count > maxServers) {
      found.trouble('maxServers', `there are more than ${maxServers} servers; the rest is left out`, 'warn');
    } else found.well('maxServers');
    return pools;
  }
}

function addServer(
  pools: Map<string, Map<string, ServerInput>>,
  { pool, url, server }: { pool: string; url: string; server: ServerInput },
): void {
  const servers = pools.get(pool) ?? new Map<string, ServerInput>();
  if (servers.has(url)) throw new Error(`another container is at ${url} as well`);
  pools.set(pool, servers.set(url, server));
}

/** The pause after this many failures in a row, ms. */
function pause(failures: number): number {
  return backOff(failures, retryMs, longestRetryMs) * (1 - 0.25 * Math.random());
}
