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

/** What a pool tells who follows it. All optional; called after the change is visible. */
export interface PoolObserver {
  /** An upstream came in. */
  added?(upstream: Upstream): void;
  /** It left for good; requests that it has go on. */
  removed?(upstream: Upstream): void;
  /**
   * Weight, state, TLS or another setting changed; or, its record being the same, a backup steps in or back, or one gets requests of
   * this Weldr, more or less of them or none.
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
  /** How many are active and no backups. */
  #primaries = 0;
  /** The backups that are active; they are available while there is no active primary. */
  readonly #backups = new Set<Upstream>();
  /** What `available` shows, until it changes. */
  #shown: readonly Upstream[] | undefined = undefined;
  readonly #observers = new Set<PoolObserver>();
  /** Undefined until a label is first looked up: few configs do. */
  #labels: LabelIndex | undefined = undefined;
  #inFlight = 0;
  /** Undefined: all of it is seen, as by the manager. */
  #vantage: Vantage | undefined = undefined;
  #narrowing: Narrowing | undefined = undefined;
  /** Was it narrowed when it was looked at last? */
  #isNarrowed = false;
  /** Do more changes follow, before anybody chooses? */
  #isHeld = false;

  /** By what only its constructor gives: the core relies on it, whatever a plugin made to look like one. */
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

  /** Counts every change of membership, availability or weight: a balancer's cached order is valid for one version. */
  get version(): number {
    return this.#version;
  }

  /** The name of the pool that is asked when none of this one can be had. */
  get fallback(): string | undefined {
    return this.#settings.fallback;
  }

  /** What is said of the pool as a whole; each field is undefined where the config's own settings hold. */
  get settings(): PoolSettings {
    return this.#settings;
  }

  /** @internal For who reads the config, and for the manager's word. */
  setSettings(settings: PoolSettings): void {
    this.#settings = Object.freeze({ ...settings });
    if (this.#vantage !== undefined) this.#lookAnew(this.#vantage);
  }

  /** @internal Has it seen from a worker: some servers may be left to other Weldrs, and each has room for a worker's part. */
  lookFrom(vantage: Vantage): void {
    this.#vantage = vantage;
    this.#narrowing = undefined;
    for (const upstream of this.#byId.values()) this.#measure(upstream);
    this.#lookAnew(vantage);
  }

  /** @internal Changes follow, and nobody chooses before {@link release}. */
  hold(): void {
    this.#isHeld = true;
  }

  /** @internal */
  release(): void {
    this.#isHeld = false;
    this.#settle();
  }

  /** The upstreams that may be given new requests, in no particular order. Do not keep it across changes. */
  get available(): readonly Upstream[] {
    // A copy that cannot be sorted or emptied by mistake; one for many requests, as changes are rare.
    this.#shown ??= Object.freeze(this.#candidates.copyReady());
    return this.#shown;
  }

  /**
   * Those that could be given requests and are not {@link available}: first those that are left to other Weldrs, then the backups that
   * wait. The core gives them a retry when all that are available were tried.
   */
  get standby(): Iterable<Upstream> {
    const backups = this.#primaries > 0 ? this.#backups : noUpstreams;
    return this.#candidates.size === this.#candidates.ready ? backups : this.#spare(backups);
  }

  *#spare(backups: Iterable<Upstream>): Iterable<Upstream> {
    const { ready, size } = this.#candidates;
    // Not the same one for everybody.
    const first = Math.floor(Math.random() * (size - ready));
    for (let n = 0; n < size - ready; n++) {
      const upstream = this.#candidates.at(ready + ((first + n) % (size - ready)));
      if (upstream !== undefined) yield upstream;
    }
    yield* backups;
  }

  /** How many {@link standby} lists. */
  get standbyCount(): number {
    const { ready, size } = this.#candidates;
    return size - ready + (this.#primaries > 0 ? this.#backups.size : 0);
  }

  /** @internal The upstreams that could be given requests: those that may be and have room first. */
  get candidates(): Pick<Candidates, 'ready' | 'roomy' | 'at'> {
    return this.#candidates;
  }

  /** Requests of this process that were given to those that are {@link available} and are not finished. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** @internal So many requests more, or less, are in flight at an available one. */
  count(requests: number): void {
    this.#inFlight += requests;
  }

  /** @internal One has got as many requests as it may have at once, or not as many any more. */
  roomChanged(upstream: Upstream): void {
    this.#candidates.sort(upstream);
  }

  /**
   * Those of {@link available} whose label has this value; the same array until the pool changes. Made for all labels
   * when it is first asked for after a change, so it costs a request no more than two look-ups.
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

  /** How many there are of each state, for people: `3 known: 1 down, 2 draining`. */
  describe(): string {
    const counts = new Map<UpstreamState, number>();
    for (const { state } of this.#byId.values()) counts.set(state, (counts.get(state) ?? 0) + 1);
    const parts = [...counts].map(([state, count]) => `${count} ${state}`);
    return parts.length === 0 ? '0 known' : `${this.size} known: ${parts.join(', ')}`;
  }

  /** All upstreams in the order of their joining. */
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

  /** Removes an upstream; undefined if there is none of this id. */
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

  /** Follows the pool's changes; returns how to stop. */
  observe(observer: PoolObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** @internal The checks of balancers make upstreams which count how often they are looked at. */
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

  /** Has an upstream among those that could be given requests, or not. */
  #list(upstream: Upstream, isCandidate: boolean): void {
    if (this.#candidates.has(upstream) === isCandidate) return;
    if (isCandidate) {
      this.#candidates.add(upstream);
      // Whether it gets any is found when all of the change is known.
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

  /** How many requests an upstream may have of this worker. */
  #measure(upstream: Upstream): void {
    const { maxConnections } = upstream.record;
    const vantage = this.#vantage;
    const isEndless = vantage === undefined || maxConnections === undefined;
    membership.setRoom(upstream, isEndless ? endlessRoom : shareOfWorker(maxConnections, vantage));
    this.#candidates.sort(upstream);
  }

  #lookAnew(vantage: Vantage): void {
    const applies = Narrowing.applies(this.#settings, vantage);
    if (applies && this.#narrowing === undefined) {
      this.#narrowing = new Narrowing(vantage);
      for (const upstream of this.#byId.values()) this.#narrowing.join(upstream);
    } else if (!applies) this.#narrowing = undefined;
    this.#settle();
  }

  /** Finds who gets requests of this Weldr, after changes. */
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

  /** Has a candidate take a share of what it could take; true: it took another one before. */
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

// A method which a plugin assigns to would stand before the class's own.
for (const { prototype } of [Upstream, Pool]) Object.freeze(prototype);
