// Pool: the upstreams that a balancer chooses from. The manager and each worker hold the same pools.
import { Candidates } from './candidates.ts';
import { LabelIndex } from './label-index.ts';
import { Narrowing } from './narrowing.ts';
import { noPoolSettings, type PoolSettings } from './pool-settings.ts';
import { endlessRoom, membership, Upstream, type UpstreamHome } from './upstream.ts';
import type { UpstreamRecord, UpstreamState } from './upstream-record.ts';
import { shareOfWorker, type Vantage } from './vantage.ts';

export type { Layer } from '../state/layer.ts';
export { isUpstream, Upstream } from './upstream.ts';
export type { UpstreamRecord, UpstreamState, UpstreamTls } from './upstream-record.ts';

/** @internal `value instanceof Pool`, for the hot path. */
export let isPool: (value: unknown) => value is Pool;

const noUpstreams: readonly Upstream[] = Object.freeze([]);

/** What a pool reports to its observers. All methods are optional; called after the change is visible. */
export interface PoolObserver {
  /** An upstream joined. */
  added?(upstream: Upstream): void;
  /** It left for good; requests that it has continue. */
  removed?(upstream: Upstream): void;
  /**
   * Weight, state, TLS or another setting changed. If the record is unchanged: a backup stepped in or back, or its share
   * of the requests of this Weldr changed.
   */
  changed?(upstream: Upstream, before: UpstreamRecord): void;
}

/** A named set of upstreams; choosing from {@link available} is O(1) however many there are. */
export class Pool implements UpstreamHome {
  readonly name: string;
  #version = 0;
  #settings: PoolSettings = noPoolSettings;
  readonly #byId = new Map<string, Upstream>();
  readonly #candidates = new Candidates();
  /** The number of active upstreams that are not backups. */
  #primaries = 0;
  /** The backups that are active; they are available while there is no active primary. */
  readonly #backups = new Set<Upstream>();
  /** The array behind `available`, until it changes. */
  #shown: readonly Upstream[] | undefined = undefined;
  readonly #observers = new Set<PoolObserver>();
  /** Undefined until a label is first looked up, which few configs do. */
  #labels: LabelIndex | undefined = undefined;
  #inFlight = 0;
  /** Undefined: all of the pool is seen, as in the manager. */
  #vantage: Vantage | undefined = undefined;
  #narrowing: Narrowing | undefined = undefined;
  /** Whether it was narrowed at the last look. */
  #isNarrowed = false;
  /** Whether more changes follow before anything is chosen. */
  #isHeld = false;

  /** Tests a private field, which only the constructor sets: no look-alike of a plugin passes. */
  static [Symbol.hasInstance](value: unknown): value is Pool {
    return isPool(value);
  }

  static {
    isPool = (value): value is Pool => typeof value === 'object' && value !== null && #candidates in value;
  }

  constructor(name: string) {
    this.name = name;
    Object.freeze(this);
  }

  /** Counts the changes of membership, availability or weight: a balancer may cache an order for one version. */
  get version(): number {
    return this.#version;
  }

  /** The pool that is used when none of this one's upstreams is available. */
  get fallback(): string | undefined {
    return this.#settings.fallback;
  }

  /** The settings of the pool; a field that is undefined leaves the config's general setting. */
  get settings(): PoolSettings {
    return this.#settings;
  }

  /** @internal For the config and for changes from the manager. */
  setSettings(settings: PoolSettings): void {
    this.#settings = Object.freeze({ ...settings });
    if (this.#vantage !== undefined) this.#lookAgain(this.#vantage);
  }

  /**
   * @internal Sets the view of a worker: some servers may be left to other Weldrs, and each has room for a worker's
   * part.
   */
  lookFrom(vantage: Vantage): void {
    this.#vantage = vantage;
    this.#narrowing = undefined;
    for (const upstream of this.#byId.values()) this.#measure(upstream);
    this.#lookAgain(vantage);
  }

  /** @internal More changes follow, and nothing is chosen before {@link release}. */
  hold(): void {
    this.#isHeld = true;
  }

  /** @internal */
  release(): void {
    this.#isHeld = false;
    this.#settle();
  }

  /** The upstreams that are available for new requests, in no particular order. Do not keep it across changes. */
  get available(): readonly Upstream[] {
    // A frozen copy serves many requests, because changes are rare.
    this.#shown ??= Object.freeze(this.#candidates.copyReady());
    return this.#shown;
  }

  /**
   * The active ones that are not {@link available}: first those left to other Weldrs, then the waiting backups. The core uses
   * them for a retry when all available ones were tried.
   */
  get standby(): Iterable<Upstream> {
    const backups = this.#primaries > 0 ? this.#backups : noUpstreams;
    return this.#candidates.size === this.#candidates.ready ? backups : this.#spare(backups);
  }

  *#spare(backups: Iterable<Upstream>): Iterable<Upstream> {
    const { ready, size } = this.#candidates;
    // Starts at random, so that not all requests get the same one.
    const first = Math.floor(Math.random() * (size - ready));
    for (let n = 0; n < size - ready; n++) {
      const upstream = this.#candidates.at(ready + ((first + n) % (size - ready)));
      if (upstream !== undefined) yield upstream;
    }
    yield* backups;
  }

  /** The number of upstreams in {@link standby}. */
  get standbyCount(): number {
    const { ready, size } = this.#candidates;
    return size - ready + (this.#primaries > 0 ? this.#backups.size : 0);
  }

  /** @internal The active upstreams: those that are available with room come first. */
  get candidates(): Pick<Candidates, 'ready' | 'roomy' | 'at'> {
    return this.#candidates;
  }

  /** Unfinished requests of this process at {@link available} upstreams. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** @internal Adds to the requests in flight at available upstreams. */
  count(requests: number): void {
    this.#inFlight += requests;
  }

  /** @internal An upstream got full, or has room again. */
  roomChanged(upstream: Upstream): void {
    this.#candidates.sort(upstream);
  }

  /**
   * The {@link available} upstreams whose label has this value; the same array until the pool changes. The first call after a
   * change indexes all labels, so a request costs no more than two look-ups.
   *
   * @example hooks.selectUpstream.tap('canary', () => pool.labelled('version', '2')[0])
   */
  labelled(label: string, value: string): readonly Upstream[] {
    this.#labels ??= new LabelIndex();
    if (!this.#labels.isOf(this.#version)) this.#labels.build(this.available, this.#version);
    return this.#labels.get(label, value);
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): Upstream | undefined {
    return this.#byId.get(id);
  }

  /** The number of upstreams in each state, for people: `3 known: 1 down, 2 draining`. */
  describe(): string {
    const counts = new Map<UpstreamState, number>();
    for (const { state } of this.#byId.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    const parts = [...counts].map(([state, count]) => `${count} ${state}`);
    return parts.length === 0 ? '0 known' : `${this.size} known: ${parts.join(', ')}`;
  }

  /** All upstreams in the order in which they joined. */
  [Symbol.iterator](): IterableIterator<Upstream> {
    return this.#byId.values();
  }

  /** Adds an upstream or changes the one that has this id, and returns it. Throws INPUT_INVALID for a bad id. */
  set(record: UpstreamRecord): Upstream {
    const known = this.#byId.get(record.id);
    if (known === undefined) return this.#add(record);
    const before = known.record;
    membership.setRecord(known, record);
    this.#measure(known);
    const turned = this.#place(known, known.state === 'active');
    this.#version++;
    for (const observer of this.#observers) observer.changed?.(known, before);
    this.#tellOfTurned(turned);
    this.#settle();
    return known;
  }

  /** Removes an upstream; undefined if there is none with this id. */
  delete(id: string): Upstream | undefined {
    const upstream = this.#byId.get(id);
    if (upstream === undefined) return undefined;
    this.#byId.delete(id);
    membership.setHome(upstream, undefined);
    this.#narrowing?.leave(upstream);
    const turned = this.#place(upstream, false);
    this.#version++;
    for (const observer of this.#observers) observer.removed?.(upstream);
    this.#tellOfTurned(turned);
    this.#settle();
    return upstream;
  }

  /** Follows the pool's changes; returns a function that stops it. */
  observe(observer: PoolObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** @internal Overridden by the checks for balancers, whose upstreams count how often they are looked at. */
  makeUpstream(record: UpstreamRecord): Upstream {
    return new Upstream(this.name, record);
  }

  #add(record: UpstreamRecord): Upstream {
    const upstream = this.makeUpstream(record);
    membership.setHome(upstream, this);
    this.#byId.set(record.id, upstream);
    this.#measure(upstream);
    this.#narrowing?.join(upstream);
    const turned = this.#place(upstream, upstream.state === 'active');
    this.#version++;
    for (const observer of this.#observers) observer.added?.(upstream);
    this.#tellOfTurned(turned);
    this.#settle();
    return upstream;
  }

  /** Puts an upstream where its record says; returns the other backups that step in or back because of it. */
  #place(upstream: Upstream, isActive: boolean): readonly Upstream[] {
    const hadPrimary = this.#primaries > 0;
    const isBackup = isActive && upstream.backup;
    if (this.#candidates.has(upstream) && !this.#backups.has(upstream)) this.#primaries--;
    if (isBackup) this.#backups.add(upstream);
    else this.#backups.delete(upstream);
    if (isActive && !isBackup) this.#primaries++;
    const hasPrimary = this.#primaries > 0;
    const isWaiting = isBackup && hasPrimary;
    if (isWaiting) membership.setStanding(upstream, 'waiting');
    this.#list(upstream, isActive && !isWaiting);
    if (hadPrimary === hasPrimary || this.#backups.size === 0) return noUpstreams;
    const turned = [...this.#backups].filter(backup => backup !== upstream);
    for (const backup of turned) {
      if (hasPrimary) membership.setStanding(backup, 'waiting');
      this.#list(backup, !hasPrimary);
    }
    return turned;
  }

  #tellOfTurned(backups: readonly Upstream[]): void {
    for (const backup of backups) {
      for (const observer of this.#observers) observer.changed?.(backup, backup.record);
    }
  }

  /** Adds an upstream to the candidates, or removes it. */
  #list(upstream: Upstream, isCandidate: boolean): void {
    if (this.#candidates.has(upstream) === isCandidate) return;
    if (isCandidate) {
      this.#candidates.add(upstream);
      // Its share is settled once the whole change is known.
      if (this.#narrowing === undefined) this.#admit(upstream);
      else membership.setStanding(upstream, 'apart');
      return;
    }
    this.#part(upstream);
    this.#candidates.remove(upstream);
  }

  #part(upstream: Upstream): void {
    if (!this.#candidates.isReady(upstream)) return;
    this.#candidates.part(upstream);
    this.#inFlight -= upstream.inFlight;
    this.#shown = undefined;
  }

  #admit(upstream: Upstream): void {
    this.#candidates.admit(upstream);
    membership.setStanding(upstream, 'ready');
    this.#inFlight += upstream.inFlight;
    this.#shown = undefined;
  }

  /** Sets how many requests of this worker an upstream may have. */
  #measure(upstream: Upstream): void {
    const { maxConnections } = upstream.record;
    const vantage = this.#vantage;
    const isEndless = vantage === undefined || maxConnections === undefined;
    membership.setRoom(upstream, isEndless ? endlessRoom : shareOfWorker(maxConnections, vantage));
    this.#candidates.sort(upstream);
  }

  #lookAgain(vantage: Vantage): void {
    const applies = Narrowing.applies(this.#settings, vantage);
    if (applies && this.#narrowing === undefined) {
      this.#narrowing = new Narrowing(vantage);
      for (const upstream of this.#byId.values()) this.#narrowing.join(upstream);
    } else if (!applies) this.#narrowing = undefined;
    this.#settle();
  }

  /** Finds which candidates get requests of this Weldr, after changes. */
  #settle(): void {
    if (this.#isHeld || (this.#narrowing === undefined && !this.#isNarrowed)) return;
    const turned: Upstream[] = [];
    const take = (upstream: Upstream, share: number): void => {
      if (this.#assign(upstream, share)) turned.push(upstream);
    };
    if (this.#narrowing !== undefined) {
      this.#narrowing.apportion(this.#settings, this.#primaries > 0 ? 'primaries' : 'backups', take);
    } else if (this.#isNarrowed) {
      for (const upstream of this.#byId.values()) if (this.#candidates.has(upstream)) take(upstream, 1);
    }
    this.#isNarrowed = this.#narrowing !== undefined;
    if (turned.length === 0) return;
    this.#version++;
    this.#tellOfTurned(turned);
  }

  /** Sets a candidate's share; returns whether it changed. */
  #assign(upstream: Upstream, share: number): boolean {
    const isReady = this.#candidates.isReady(upstream);
    if (share === 0) {
      if (!isReady) return false;
      this.#part(upstream);
      membership.setStanding(upstream, 'apart');
      return true;
    }
    if (isReady && membership.shareOf(upstream) === share) return false;
    membership.setShare(upstream, share);
    if (!isReady) this.#admit(upstream);
    return true;
  }
}

// Otherwise a method that a plugin assigns to an instance or a prototype would replace the class's own.
for (const { prototype } of [Upstream, Pool]) Object.freeze(prototype);
