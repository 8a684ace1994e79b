// Pool and Upstream: what a balancer chooses from. The manager and each worker hold the same pools.
import { noPoolSettings, type PoolSettings } from './pool-settings.ts';
import { parseServerAddress, type ServerEndpoint } from './server-address.ts';
import type { UpstreamRecord, UpstreamState } from './upstream-record.ts';

export type { Layer } from '../state/layer.ts';
export type { UpstreamRecord, UpstreamState, UpstreamTls } from './upstream-record.ts';

/** A change of one pool. */
export type PoolChange =
  | { readonly op: 'set'; readonly pool: string; readonly upstream: UpstreamRecord }
  | { readonly op: 'delete'; readonly pool: string; readonly id: string }
  /** What is said of the pool as a whole. */
  | { readonly op: 'settings'; readonly pool: string; readonly settings: PoolSettings };

/** What a pool changes of its members. Module-private, so that no plugin can. */
interface Membership {
  setRecord(upstream: Upstream, record: UpstreamRecord): void;
  setHome(upstream: Upstream, home: Pool | undefined): void;
  /** The position in the pool's list of available ones, or -1. */
  slotOf(upstream: Upstream): number;
  setSlot(upstream: Upstream, slot: number): void;
  setWaiting(upstream: Upstream, isWaiting: boolean): void;
}

let membership: Membership;

/** @internal `value instanceof Upstream`, which takes ten times as long: V8 does not inline a class's own test. */
export let isUpstream: (value: unknown) => value is Upstream;
/** @internal `value instanceof Pool`, for the hot path. */
export let isPool: (value: unknown) => value is Pool;

/** One server of a pool. Only its {@link Pool} changes it. */
export class Upstream {
  /** The identity: the URL's origin, or `unix:` and a path. */
  readonly id: string;
  readonly pool: string;
  /** `https:` with TLS, `http:` without. */
  readonly protocol: 'http:' | 'https:';
  readonly #isHttp2ByUrl: boolean;
  /** Where it is connected to. */
  readonly endpoint: ServerEndpoint;
  /**
   * Its own name: host and, unless it is the scheme's default, port; `localhost` for a unix socket.
   */
  readonly authority: string;
  /** A list of nothing but this upstream: what `ctx.tried` is after a first attempt, without making an array. */
  readonly alone: readonly Upstream[] = Object.freeze([this]);
  #record: UpstreamRecord;
  #ownHost: string | undefined;
  #home: Pool | undefined = undefined;
  #slot = -1;
  #isWaiting = false;
  #inFlight = 0;

  /** By what only its constructor gives: the core relies on it, whatever a plugin made to look like one. */
  static [Symbol.hasInstance](value: unknown): value is Upstream {
    return isUpstream(value);
  }

  static {
    isUpstream = (value): value is Upstream => typeof value === 'object' && value !== null && #slot in value;
    membership = {
      setRecord: (upstream, record) => {
        upstream.#record = frozen(record);
        upstream.#ownHost = ownHost(record, upstream.authority);
      },
      setHome: (upstream, home) => {
        upstream.#home = home;
      },
      slotOf: upstream => upstream.#slot,
      setSlot: (upstream, slot) => {
        upstream.#slot = slot;
      },
      setWaiting: (upstream, isWaiting) => {
        upstream.#isWaiting = isWaiting;
      },
    };
  }

  constructor(pool: string, record: UpstreamRecord) {
    const { protocol, http2, endpoint, authority } = parseServerAddress(record.id);
    this.id = record.id;
    this.pool = pool;
    this.protocol = protocol;
    this.#isHttp2ByUrl = http2;
    this.endpoint = Object.freeze(endpoint);
    this.authority = authority;
    this.#record = frozen(record);
    this.#ownHost = ownHost(record, authority);
    // A class below freezes what it has made of it.
    if (new.target === Upstream) Object.freeze(this);
  }

  /** What is known of it, as it crosses from the manager to the workers. */
  get record(): UpstreamRecord {
    return this.#record;
  }

  /** What `Host` says in requests to it; undefined: what the client sent. */
  get ownHost(): string | undefined {
    return this.#ownHost;
  }

  /**
   * Is HTTP/2 spoken with it? Undefined: over TLS it chooses, without TLS it is not.
   */
  get http2(): boolean | undefined {
    return this.#isHttp2ByUrl || this.#record.http2;
  }

  /** @internal The pool that it is a member of; undefined: it has left. */
  get home(): Pool | undefined {
    return this.#home;
  }

  /** Requests of this process that were given to it and are not finished. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** @internal A request was given to it. */
  begin(): void {
    this.#inFlight++;
  }

  /** @internal A request that was given to it is finished. */
  end(): void {
    this.#inFlight--;
  }

  get state(): UpstreamState {
    return this.#record.state;
  }

  get weight(): number {
    return this.#record.weight;
  }

  /** What it is, by name: `upstream.labels['zone']`. */
  get labels(): Readonly<Record<string, string>> {
    return this.#record.labels ?? noLabels;
  }

  /** Does it get requests only while no other server of its pool is active? */
  get backup(): boolean {
    return this.#record.backup === true;
  }

  /** May it be given new requests? A backup may not while another server of its pool may. */
  get available(): boolean {
    return this.#record.state === 'active' && !this.#isWaiting;
  }
}

const noLabels: Readonly<Record<string, string>> = Object.freeze({});
const noUpstreams: readonly Upstream[] = Object.freeze([]);

function ownHost({ host }: UpstreamRecord, authority: string): string | undefined {
  if (host === 'client') return undefined;
  return host === 'upstream' ? authority : host;
}

function frozen(record: UpstreamRecord): UpstreamRecord {
  if (record.labels !== undefined) Object.freeze(record.labels);
  return Object.freeze(record);
}

/** What a pool tells who follows it. All optional; called after the change is visible. */
export interface PoolObserver {
  /** An upstream came in. */
  added?(upstream: Upstream): void;
  /** It left for good; requests that it has go on. */
  removed?(upstream: Upstream): void;
  /** Weight, state, TLS or another setting changed; or a backup steps in or back, its record being the same. */
  changed?(upstream: Upstream, before: UpstreamRecord): void;
}

/** A named set of upstreams; choosing from {@link available} is O(1) however many there are. */
export class Pool {
  readonly name: string;
  #version = 0;
  #settings: PoolSettings = noPoolSettings;
  readonly #byId = new Map<string, Upstream>();
  readonly #ready: Upstream[] = [];
  /** How many are active and no backups. */
  #primaries = 0;
  /** The backups that are active; they are available while there is no active primary. */
  readonly #backups = new Set<Upstream>();
  /** What `available` shows of `#ready`, until it changes. */
  #shown: readonly Upstream[] | undefined = undefined;
  readonly #observers = new Set<PoolObserver>();
  /** The available ones by label and value, of one version. */
  #labelled: Map<string, Map<string, readonly Upstream[]>> | undefined = undefined;
  #labelledAt = -1;

  /** By what only its constructor gives: the core relies on it, whatever a plugin made to look like one. */
  static [Symbol.hasInstance](value: unknown): value is Pool {
    return isPool(value);
  }

  static {
    isPool = (value): value is Pool => typeof value === 'object' && value !== null && #ready in value;
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
  }

  /** The upstreams that may be given new requests, in no particular order. Do not keep it across changes. */
  get available(): readonly Upstream[] {
    // A copy that cannot be sorted or emptied by mistake; one for many requests, as changes are rare.
    this.#shown ??= Object.freeze(this.#ready.slice());
    return this.#shown;
  }

  /**
   * The backups that wait: active, and not {@link available} while another server is. The core gives them a retry when
   * all that are available were tried.
   */
  get standby(): Iterable<Upstream> {
    return this.#primaries > 0 ? this.#backups : noUpstreams;
  }

  /** How many {@link standby} lists. */
  get standbyCount(): number {
    return this.#primaries > 0 ? this.#backups.size : 0;
  }

  /**
   * Those of {@link available} whose label has this value; the same array until the pool changes. Made for all labels
   * when it is first asked for after a change, so it costs a request no more than two look-ups.
   *
   * @example hooks.selectUpstream.tap('zone', () => pool.labelled('zone', 'a')[0])
   */
  labelled(label: string, value: string): readonly Upstream[] {
    if (this.#labelled === undefined || this.#labelledAt !== this.#version) {
      this.#labelled = byLabel(this.available);
      this.#labelledAt = this.#version;
    }
    return this.#labelled.get(label)?.get(value) ?? noUpstreams;
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
    const turned = this.#place(known, known.state === 'active');
    this.#version++;
    for (const observer of this.#observers) observer.changed?.(known, before);
    this.#tellOfTurned(turned);
    return known;
  }

  /** Removes an upstream; undefined if there is none of this id. */
  delete(id: string): Upstream | undefined {
    const upstream = this.#byId.get(id);
    if (upstream === undefined) return undefined;
    this.#byId.delete(id);
    membership.setHome(upstream, undefined);
    const turned = this.#place(upstream, false);
    this.#version++;
    for (const observer of this.#observers) observer.removed?.(upstream);
    this.#tellOfTurned(turned);
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
    const turned = this.#place(upstream, upstream.state === 'active');
    this.#version++;
    for (const observer of this.#observers) observer.added?.(upstream);
    this.#tellOfTurned(turned);
    return upstream;
  }

  /** Puts an upstream where its record says; returns the other backups that step in or back because of it. */
  #place(upstream: Upstream, isActive: boolean): readonly Upstream[] {
    const hadPrimary = this.#primaries > 0;
    const isBackup = isActive && upstream.backup;
    if (membership.slotOf(upstream) >= 0 && !this.#backups.has(upstream)) this.#primaries--;
    if (isBackup) this.#backups.add(upstream);
    else this.#backups.delete(upstream);
    if (isActive && !isBackup) this.#primaries++;
    const hasPrimary = this.#primaries > 0;
    membership.setWaiting(upstream, isBackup && hasPrimary);
    this.#list(upstream, isActive && !(isBackup && hasPrimary));
    if (hadPrimary === hasPrimary || this.#backups.size === 0) return noUpstreams;
    const turned = [...this.#backups].filter(backup => backup !== upstream);
    for (const backup of turned) {
      membership.setWaiting(backup, hasPrimary);
      this.#list(backup, !hasPrimary);
    }
    return turned;
  }

  #tellOfTurned(backups: readonly Upstream[]): void {
    for (const backup of backups) {
      for (const observer of this.#observers) observer.changed?.(backup, backup.record);
    }
  }

  /** Has an upstream in the list of available ones, or not. */
  #list(upstream: Upstream, isAvailable: boolean): void {
    const slot = membership.slotOf(upstream);
    if (slot >= 0 === isAvailable) return;
    this.#shown = undefined;
    if (isAvailable) {
      membership.setSlot(upstream, this.#ready.push(upstream) - 1);
      return;
    }
    const last = this.#ready.pop();
    if (last !== undefined && last !== upstream) {
      this.#ready[slot] = last;
      membership.setSlot(last, slot);
    }
    membership.setSlot(upstream, -1);
  }
}

function byLabel(upstreams: readonly Upstream[]): Map<string, Map<string, readonly Upstream[]>> {
  const index = new Map<string, Map<string, Upstream[]>>();
  for (const upstream of upstreams) {
    for (const [label, value] of Object.entries(upstream.labels)) {
      const values = index.get(label) ?? new Map<string, Upstream[]>();
      index.set(label, values);
      const list = values.get(value);
      if (list === undefined) values.set(value, [upstream]);
      else list.push(upstream);
    }
  }
  for (const values of index.values()) for (const list of values.values()) Object.freeze(list);
  return index;
}

/** The pools of one process by name. `default` is always there. */
export class Pools {
  readonly #byName = new Map<string, Pool>();
  /** Told of each pool that is made, for those who follow all of them. */
  readonly #followers = new Set<(pool: Pool) => void>();
  readonly default: Pool;

  constructor() {
    this.default = this.ensure('default');
    Object.freeze(this);
  }

  get(name: string): Pool | undefined {
    return this.#byName.get(name);
  }

  get size(): number {
    return this.#byName.size;
  }

  /** The pool of this name, made when it is new. */
  ensure(name: string): Pool {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const pool = this.makePool(name);
    this.#byName.set(name, pool);
    for (const follow of this.#followers) follow(pool);
    return pool;
  }

  /** @internal See {@link Pool.makeUpstream}. */
  makePool(name: string): Pool {
    return new Pool(name);
  }

  [Symbol.iterator](): IterableIterator<Pool> {
    return this.#byName.values();
  }

  /** Calls `follow` for each pool there is and each that comes; returns how to stop. */
  follow(follow: (pool: Pool) => void): () => void {
    this.#followers.add(follow);
    for (const pool of this.#byName.values()) follow(pool);
    return () => this.#followers.delete(follow);
  }

  /** Applies one change as the manager sent it. */
  apply(change: PoolChange): void {
    const pool = this.ensure(change.pool);
    if (change.op === 'set') pool.set(change.upstream);
    else if (change.op === 'delete') pool.delete(change.id);
    else pool.setSettings(change.settings);
  }
}

// A method which a plugin assigns to would stand before the class's own.
for (const { prototype } of [Upstream, Pool, Pools]) Object.freeze(prototype);
