// FoundServers: passes the servers that a plugin finds to its source, and shows in log and metrics whether it finds any.
import type { Logger } from 'pino';
import { describeError } from '../errors.ts';
import type { DiscoverySource, SourceChange } from '../pool/discovery-source.ts';
import type { ServerInput } from '../pool/server-definition.ts';
import type { Clock } from '../time/clock.ts';
import type { Counter, Gauge, Labelled, Metrics } from './metrics.ts';

/** What it is made of. */
export interface FoundServersOptions {
  readonly source: DiscoverySource;
  /** The place where servers are found, for people: `the name app.internal`. */
  readonly place: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

/** What else is known about a list. */
export interface PutOptions {
  /** Why it is empty, as a sentence about its place: `it does not exist`. */
  readonly why?: string;
  /** Returns what is wrong with the list, in terms of its place; receives what {@link DiscoverySource.replace} threw. */
  explain?(thrown: unknown): string;
}

/** The most troubles that are logged at a time, each once while it lasts. */
const maxTroubles = 1000;

/** One source as its plugin sees it. Each trouble is logged once while it lasts. */
export class FoundServers {
  private readonly options: FoundServersOptions;
  /** By what has the trouble: a pool, or the place itself (the empty string). */
  private readonly troubles = new Map<string, string>();
  private readonly servers: Labelled<Gauge, readonly ['source', 'pool']>;
  private readonly held: Labelled<Gauge, readonly ['source', 'pool']>;
  private readonly failures: Counter;
  private readonly lastAnswer: Gauge;

  constructor(options: FoundServersOptions) {
    this.options = options;
    const { metrics, source } = options;
    const labels = ['source', 'pool'] as const;
    this.servers = metrics.gauge({
      name: 'discovery_servers',
      help: 'Servers that a source found.',
      labels,
    });
    this.held = metrics.gauge({
      name: 'discovery_held',
      help: 'Whether the last list of a source is held back because it names too few servers: 1 if so.',
      labels,
    });
    this.failures = metrics
      .counter({
        name: 'discovery_failures_total',
        help: 'Failed attempts to get a list from a source.',
        labels: ['source'],
      })
      .labels(source.name);
    this.lastAnswer = metrics
      .gauge({
        name: 'discovery_last_answer_seconds',
        help: 'When a source last returned a list, seconds since 1970.',
        labels: ['source'],
      })
      .labels(source.name);
  }

  /** The pools that it has servers for. */
  get pools(): readonly string[] {
    return this.options.source.pools;
  }

  /**
   * Takes the full list of a pool's servers; the list counts for the guard. Returns undefined, and logs why, if the list
   * cannot be accepted: the previous servers stay.
   */
  put(
    pool: string,
    servers: readonly ServerInput[],
    { why, explain = describeError }: PutOptions = {},
  ): SourceChange | undefined {
    const { source, clock } = this.options;
    let change: SourceChange;
    try {
      change = source.replace(pool, servers);
    } catch (thrown) {
      this.failed(explain(thrown), pool);
      return undefined;
    }
    this.lastAnswer.set(Math.floor(clock.now() / 1000));
    const isHeld = change.held !== undefined;
    this.held.labels(source.name, pool).set(isHeld ? 1 : 0);
    if (!isHeld) this.servers.labels(source.name, pool).set(servers.length);
    const because = why === undefined ? '' : `${why}, so `;
    if (isHeld) this.trouble(pool, `${because}${change.held}; the previous servers stay`, 'warn');
    else if (servers.length === 0)
      this.trouble(pool, `${because}it names no server for the pool ${pool}`, 'warn');
    else this.well(pool);
    this.well('');
    return change;
  }

  /** The servers cannot be determined now: the previous ones stay. `about`: what has the trouble, such as a pool. */
  failed(why: string, about = ''): void {
    this.failures.inc();
    const after = this.pools.length > 0 ? 'the previous servers stay' : 'none have been found so far';
    this.trouble(about, `${why}; ${after}`, 'error');
  }

  /** The source no longer serves this pool. */
  leave(pool: string): void {
    const { source } = this.options;
    source.leave(pool);
    this.servers.labels(source.name, pool).set(0);
    this.held.labels(source.name, pool).set(0);
    this.troubles.delete(pool);
  }

  /** Logs what is wrong with one thing, once while it lasts. */
  trouble(about: string, text: string, level: 'warn' | 'error'): void {
    const { log, place, source } = this.options;
    const known = this.troubles.get(about);
    if (known === text || (known === undefined && this.troubles.size >= maxTroubles)) return;
    this.troubles.set(about, text);
    log[level]({ source: source.name, ...(about !== '' && { about }) }, `${place}: ${text}`);
  }

  /** Ends the trouble of one thing. */
  well(about: string): void {
    if (!this.troubles.delete(about)) return;
    const { log, place, source } = this.options;
    log.info({ source: source.name, ...(about !== '' && { about }) }, `${place}: it has recovered`);
  }

  /** Forgets the troubles of things that no longer exist. */
  retainTroubles(isThere: (about: string) => boolean): void {
    for (const about of this.troubles.keys())
      if (about !== '' && !isThere(about)) this.troubles.delete(about);
  }
}
