// PoolMembers: the servers of all pools as the manager holds them, with their states, verdicts and drains.
import { isDeepStrictEqual } from 'node:util';
import type { EffectiveChange } from '../state/effective-change.ts';
import { type ListedNames, sameList } from '../state/listed-names.ts';
import type { Row } from '../state/row.ts';
import type { CancelTimer, Clock } from '../time/clock.ts';
import { Drain } from './drain.ts';
import type { Layer, Upstream } from './pool.ts';
import type { PoolChange } from './pool-change.ts';
import { firstRecord, type HealthReport, keyOf, type PoolEntry, recordOf } from './pool-entry.ts';
import type { PoolPlugins } from './pool-plugins.ts';
import { noPoolSettings, type PoolSettings } from './pool-settings.ts';
import { Pools } from './pools.ts';
import type { JoiningServer, PoolsObserver } from './pools-observer.ts';
import type { ServerDefinition } from './server-definition.ts';

/** A server as it is kept here. */
export interface Member extends PoolEntry {
  server: ServerDefinition;
  layer: Layer;
  stateAuthor: string;
  poolSettings: PoolSettings;
  health: HealthReport | undefined;
  /** The instance of a plugin whose report `health` is. */
  checkedBy: string | undefined;
  readonly complaints: Map<string, string>;
  leaving: boolean;
  readonly drain: Drain;
  cancelExpiry: CancelTimer | undefined;
}

/** What one instance of a plugin knows about a server's health: plain JSON. */
export interface KnownHealth {
  readonly pool: string;
  readonly id: string;
  readonly checkedBy: string;
  readonly health: HealthReport;
  readonly complaint: string | undefined;
}

/** What {@link PoolMembers} need of the process around them. */
export interface ManagedPoolsOptions {
  readonly clock: Clock;
  /** The longest that a removed server may take to finish its requests, ms. */
  readonly drainTimeout: number;
  /** The running workers, which a drain waits for. */
  workers(): Iterable<number>;
  /** Called with each change of an entity, after the start. */
  tell?(change: EffectiveChange): void;
  /**
   * Called with each backup that steps in because no other server of its pool is active, or steps back; after the start.
   */
  takeover?(backup: Upstream): void;
  /** Called once for each stored row that cannot be used. */
  report?(row: Row, problem: string): void;
  /** Starts the plugins of pools; default: none. */
  readonly plugins?: PoolPlugins | undefined;
  /** Resolves when the workers use what was changed; an operator's change waits for it. Default: at once. */
  settled?(): Promise<void>;
}

/** Observes all changes of members. */
export interface ManagedPoolsObserver extends PoolsObserver {
  /** The name under which a complaint of {@link joining} is kept. */
  readonly judge?: string;
  /** Changes to send to the workers; `revision` counts the batches. */
  changes?(changes: readonly PoolChange[], revision: number): void;
}

/** The members of all pools. The caller of {@link define} and {@link leave} decides which these are. */
export class PoolMembers {
  readonly pools = new Pools();
  /** The number of batches of changes so far. */
  revision = 0;
  /** What another process knew about servers that have yet to appear, by key; only at the start. */
  private readonly inherited = new Map<string, KnownHealth>();
  /** Whether the start is over. Servers that are new after it start slowly. */
  started = false;
  private readonly options: ManagedPoolsOptions;
  private readonly members = new Map<string, Member>();
  private readonly observers = new Set<ManagedPoolsObserver>();
  /** The plugins that operators list, by the names of pools. */
  private readonly lists = new Map<string, readonly string[]>();

  constructor(options: ManagedPoolsOptions) {
    this.options = options;
    this.pools.follow(pool =>
      pool.observe({
        changed: (upstream, before) => {
          if (this.started && upstream.record === before) options.takeover?.(upstream);
        },
      }),
    );
  }

  get size(): number {
    return this.members.size;
  }

  [Symbol.iterator](): IterableIterator<Member> {
    return this.members.values();
  }

  get(pool: string, id: string): Member | undefined {
    return this.members.get(keyOf(pool, id));
  }

  /** The servers of a pool, including those that drain before they go. */
  *list(pool: string): Generator<PoolEntry> {
    for (const upstream of this.pools.get(pool) ?? []) {
      const member = this.members.get(keyOf(pool, upstream.id));
      if (member !== undefined) yield member;
    }
  }

  observe(observer: ManagedPoolsObserver): () => void {
    this.observers.add(observer);
    // Members from before the start are judged too, in whatever order the plugins start.
    if (!this.started) this.judgeNew(observer);
    return () => this.observers.delete(observer);
  }

  /** All upstreams as changes to empty pools: the first message to a new worker. */
  snapshot(): PoolChange[] {
    const changes: PoolChange[] = [];
    for (const pool of this.pools) {
      if (pool.settings !== noPoolSettings) {
        changes.push({ op: 'settings', pool: pool.name, settings: pool.settings });
      }
      for (const upstream of pool) changes.push({ op: 'set', pool: pool.name, upstream: upstream.record });
    }
    return changes;
  }

  /** Sets the settings and the listed plugins of a pool; its servers follow. */
  setPool(name: string, settings: PoolSettings, listed: ListedNames): void {
    const pool = this.pools.ensure(name);
    if (!sameList(this.lists.get(name), listed)) {
      if (listed === undefined) this.lists.delete(name);
      else this.lists.set(name, listed);
      this.options.plugins?.want(name, listed, { isNew: pool.size === 0 });
    }
    if (isDeepStrictEqual(pool.settings, settings)) return;
    pool.setSettings(settings);
    this.broadcast({ op: 'settings', pool: name, settings: pool.settings });
    for (const { id } of [...pool]) {
      const member = this.members.get(keyOf(name, id));
      if (member === undefined) continue;
      member.poolSettings = pool.settings;
      this.publish(member);
      if (!member.leaving) for (const observer of this.observers) observer.defined?.(member);
    }
  }

  /** The plugins that an operator lists for a pool. */
  listOf(name: string): ListedNames {
    return this.lists.get(name);
  }

  // --- from health checkers and workers ------------------------------------------------------------------------

  /**
   * Sets or clears (undefined) the complaint of a plugin's instance about a server, which is down while any complains.
   * Unknown servers are ignored.
   */
  verdict(pool: string, id: string, instance: string, complaint: string | undefined): void {
    const member = this.members.get(keyOf(pool, id));
    if (member === undefined || member.complaints.get(instance) === complaint) return;
    if (complaint === undefined) member.complaints.delete(instance);
    else member.complaints.set(instance, complaint);
    this.publish(member);
  }

  /** Keeps the last result of the check of a plugin's instance, for `GET /servers`. */
  reportHealth(pool: string, id: string, instance: string, health: HealthReport): void {
    const member = this.members.get(keyOf(pool, id));
    if (member === undefined) return;
    member.health = health;
    member.checkedBy = instance;
  }

  /** Notes that a worker has no request left on a draining server. */
  workerIdle(worker: number, pool: string, id: string): void {
    const member = this.members.get(keyOf(pool, id));
    if (member?.drain.idle(worker)) this.finishDrain(member);
  }

  /** Notes that a worker has ended, so that no drain waits for it. */
  workerGone(worker: number): void {
    for (const member of [...this.members.values()])
      this.workerIdle(worker, member.upstream.pool, member.upstream.id);
  }

  /** Drops the verdicts and the health reports of all instances but these. */
  retainVerdicts(present: ReadonlySet<string>): void {
    for (const member of [...this.members.values()]) this.retainVerdictsOn(member, present);
  }

  /** Drops the verdicts and the health reports of one instance. */
  dropVerdicts(instance: string): void {
    for (const member of this.members.values()) {
      if (member.checkedBy === instance) {
        member.health = undefined;
        member.checkedBy = undefined;
      }
      if (member.complaints.delete(instance)) this.publish(member);
    }
  }

  /** Reports the servers of a pool to the observers again. */
  redefine(pool: string): void {
    for (const { id } of [...(this.pools.get(pool) ?? [])]) {
      const member = this.members.get(keyOf(pool, id));
      if (member === undefined || member.leaving) continue;
      for (const observer of this.observers) observer.defined?.(member);
    }
  }

  private retainVerdictsOn(member: Member, present: ReadonlySet<string>): void {
    const gone = [...member.complaints.keys()].filter(instance => !present.has(instance));
    for (const instance of gone) member.complaints.delete(instance);
    if (member.checkedBy !== undefined && !present.has(member.checkedBy)) member.health = undefined;
    if (gone.length > 0) this.publish(member);
  }

  // --- one member -----------------------------------------------------------------------------------------------

  /** Makes a server a member, or gives the existing one, leaving or not, another definition. */
  define(poolName: string, server: ServerDefinition, layer: Layer, stateAuthor: string): Member {
    const known = this.members.get(keyOf(poolName, server.url));
    const member = known ?? this.make(poolName, server, layer, stateAuthor);
    member.server = server;
    member.layer = layer;
    member.stateAuthor = stateAuthor;
    member.leaving = false;
    if (known !== undefined) this.publish(member);
    for (const observer of this.observers) observer.defined?.(member);
    return member;
  }

  /** Takes over what another process of this Weldr knew, for servers that have yet to appear. */
  inherit(health: readonly KnownHealth[]): void {
    for (const known of health) this.inherited.set(keyOf(known.pool, known.id), known);
  }

  /** The known health of all servers. */
  *knownHealth(): Generator<KnownHealth> {
    for (const { upstream, checkedBy, health, complaints } of this.members.values()) {
      if (checkedBy === undefined || health === undefined) continue;
      const { pool, id } = upstream;
      yield { pool, id, checkedBy, health, complaint: complaints.get(checkedBy) };
    }
  }

  private judgeNew({ judge, joining }: ManagedPoolsObserver): void {
    if (judge === undefined || joining === undefined) return;
    for (const { upstream, server, poolSettings, health } of [...this.members.values()]) {
      if (health !== undefined) continue;
      this.verdict(upstream.pool, upstream.id, judge, joining({ pool: upstream.pool, server, poolSettings }));
    }
  }

  private complaintsAbout(server: JoiningServer): Map<string, string> {
    const complaints = new Map<string, string>();
    for (const { judge, joining } of this.observers) {
      const complaint = judge === undefined ? undefined : joining?.(server);
      if (judge !== undefined && complaint !== undefined) complaints.set(judge, complaint);
    }
    return complaints;
  }

  private make(poolName: string, server: ServerDefinition, layer: Layer, stateAuthor: string): Member {
    // At the start everything is new at once: a slow start would only starve the first requests.
    const poolSettings = this.pools.get(poolName)?.settings ?? noPoolSettings;
    const activeSince = this.started ? this.options.clock.now() : 0;
    const known = this.inherited.get(keyOf(poolName, server.url));
    this.inherited.delete(keyOf(poolName, server.url));
    const complaints =
      known === undefined
        ? this.complaintsAbout({ pool: poolName, server, poolSettings })
        : new Map(known.complaint === undefined ? [] : [[known.checkedBy, known.complaint]]);
    const upstream = this.pools
      .ensure(poolName)
      .set(firstRecord({ server, layer, stateAuthor, poolSettings, complaints }, activeSince));
    const member: Member = {
      upstream,
      server,
      layer,
      stateAuthor,
      poolSettings,
      health: known?.health,
      checkedBy: known?.checkedBy,
      complaints,
      leaving: false,
      drain: new Drain(this.options.clock),
      cancelExpiry: undefined,
    };
    this.members.set(keyOf(poolName, server.url), member);
    this.broadcast({ op: 'set', pool: poolName, upstream: upstream.record });
    for (const observer of this.observers) observer.upstreamChanged?.(upstream, undefined);
    return member;
  }

  /** Computes a member's record; when it differs, updates the pool, the workers and the observers. */
  private publish(member: Member): void {
    const before = member.upstream.record;
    const record = recordOf(member, this.options.clock.now());
    if (isDeepStrictEqual(record, before)) return;
    const pool = this.pools.ensure(member.upstream.pool);
    pool.set(record);
    // The drain learns its workers before they hear of it, and reports its end after this change.
    const begins = record.state === 'draining' && before.state !== 'draining';
    if (begins) this.startDrain(member);
    else if (record.state !== 'draining' && before.state === 'draining') member.drain.cancel();
    this.broadcast({ op: 'set', pool: pool.name, upstream: record });
    for (const observer of this.observers) observer.upstreamChanged?.(member.upstream, before);
    if (begins) this.finishIdleDrain(member);
  }

  /** Lets a server leave once it has finished its requests. */
  leave(pool: string, id: string): void {
    const member = this.members.get(keyOf(pool, id));
    if (member === undefined || member.leaving) return;
    member.leaving = true;
    member.cancelExpiry?.();
    const wasDraining = member.upstream.state === 'draining';
    // A drain that an operator asked for continues under the time limit of a removal.
    if (wasDraining) this.startDrain(member);
    this.publish(member);
    this.finishIdleDrain(member);
  }

  private startDrain(member: Member): void {
    member.drain.begin(this.options.workers());
    if (member.leaving) member.drain.limit(this.options.drainTimeout, () => this.finishDrain(member));
  }

  /** Ends a drain that has no worker to wait for. */
  private finishIdleDrain(member: Member): void {
    const { pool, id } = member.upstream;
    const gone = this.members.get(keyOf(pool, id)) !== member;
    if (!gone && member.drain.isOver) this.finishDrain(member);
  }

  private finishDrain(member: Member): void {
    if (member.leaving) this.drop(member);
    else member.drain.finish();
  }

  /** Removes a server at once. */
  drop(member: Member): void {
    const { upstream } = member;
    member.drain.cancel();
    member.cancelExpiry?.();
    this.members.delete(keyOf(upstream.pool, upstream.id));
    this.pools.get(upstream.pool)?.delete(upstream.id);
    this.broadcast({ op: 'delete', pool: upstream.pool, id: upstream.id });
    for (const observer of this.observers) observer.removed?.(upstream);
  }

  private broadcast(change: PoolChange): void {
    this.revision++;
    for (const observer of this.observers) observer.changes?.([change], this.revision);
  }
}
