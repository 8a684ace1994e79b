// Upstream: one server of a pool, as the manager and each worker hold it.
import type { PoolSettings } from './pool-settings.ts';
import { parseServerAddress, type ServerEndpoint } from './server-address.ts';
import type { UpstreamRecord, UpstreamState } from './upstream-record.ts';

/** What an upstream needs of the pool that it is a member of. */
export interface UpstreamHome {
  readonly settings: PoolSettings;
  /** The requests in flight at an available upstream grew by this number, which may be negative. */
  count(requests: number): void;
  /** It has as many requests as it may have at once, or no longer has. */
  roomChanged(upstream: Upstream): void;
}

/** What a pool changes of its members. Not exported by the package, so that no plugin can. */
export interface Membership {
  setRecord(upstream: Upstream, record: UpstreamRecord): void;
  setHome(upstream: Upstream, home: UpstreamHome | undefined): void;
  /** The position in the pool's list of available ones, or -1. */
  slotOf(upstream: Upstream): number;
  setSlot(upstream: Upstream, slot: number): void;
  setStanding(upstream: Upstream, standing: Standing): void;
  /** The factor of its weight, above 0. */
  shareOf(upstream: Upstream): number;
  setShare(upstream: Upstream, share: number): void;
  /** The requests that it may have at once. */
  setRoom(upstream: Upstream, room: number): void;
}

/**
 * The standing of an active upstream in its pool: `ready`; `waiting`, a backup while primaries are active; `apart`, left to
 * other Weldrs.
 */
export type Standing = 'ready' | 'waiting' | 'apart';

/** No limit, as a number that V8 keeps in a word. */
export const endlessRoom = 2 ** 30;

/** @internal */
export let membership: Membership;

/** @internal `value instanceof Upstream`, but ten times as fast: V8 does not inline a class's own test. */
export let isUpstream: (value: unknown) => value is Upstream;

/** One server of a pool. Only its pool changes it. */
export class Upstream {
  /** The identity: the URL's origin, or `unix:` and a path. */
  readonly id: string;
  readonly pool: string;
  /** `https:` with TLS, `http:` without. */
  readonly protocol: 'http:' | 'https:';
  readonly #isHttp2ByUrl: boolean;
  /** The address that it is connected to. */
  readonly endpoint: ServerEndpoint;
  /**
   * Its own name: host and, unless it is the scheme's default, port; `localhost` for a unix socket.
   */
  readonly authority: string;
  /** A list of only this upstream: `ctx.tried` after a first attempt, without making an array. */
  readonly alone: readonly Upstream[] = Object.freeze([this]);
  #record: UpstreamRecord;
  #ownHost: string | undefined;
  #home: UpstreamHome | undefined = undefined;
  #slot = -1;
  #standing: Standing = 'ready';
  #share = 1;
  /** The values of `available` and `weight`, so that a choice need not look into the record. */
  #isAvailable: boolean;
  #weight: number;
  #room = endlessRoom;
  #inFlight = 0;

  /** Tests a private field, which only the constructor sets: no look-alike of a plugin passes. */
  static [Symbol.hasInstance](value: unknown): value is Upstream {
    return isUpstream(value);
  }

  static {
    isUpstream = (value): value is Upstream => typeof value === 'object' && value !== null && #slot in value;
    membership = {
      setRecord: (upstream, record) => {
        upstream.#record = frozen(record);
        upstream.#ownHost = ownHost(record, upstream.authority);
        upstream.#isAvailable = record.state === 'active' && upstream.#standing === 'ready';
        upstream.#weight = record.weight * upstream.#share;
      },
      setHome: (upstream, home) => {
        upstream.#home = home;
      },
      slotOf: upstream => upstream.#slot,
      setSlot: (upstream, slot) => {
        upstream.#slot = slot;
      },
      setStanding: (upstream, standing) => {
        upstream.#standing = standing;
        upstream.#isAvailable = upstream.#record.state === 'active' && standing === 'ready';
      },
      shareOf: upstream => upstream.#share,
      setShare: (upstream, share) => {
        upstream.#share = share;
        upstream.#weight = upstream.#record.weight * share;
      },
      setRoom: (upstream, room) => {
        upstream.#room = room;
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
    this.#isAvailable = record.state === 'active';
    this.#weight = record.weight;
    // A derived class freezes its own instances.
    if (new.target === Upstream) Object.freeze(this);
  }

  /** Its record, as the manager sends it to the workers. */
  get record(): UpstreamRecord {
    return this.#record;
  }

  /** The value of `Host` in requests to it; undefined: what the client sent. */
  get ownHost(): string | undefined {
    return this.#ownHost;
  }

  /** Whether HTTP/2 is used. Undefined: over TLS the server chooses; without TLS it is not used. */
  get http2(): boolean | undefined {
    return this.#isHttp2ByUrl || this.#record.http2;
  }

  /** @internal Its pool; undefined: it has left. */
  get home(): UpstreamHome | undefined {
    return this.#home;
  }

  /** Unfinished requests that this process gave it. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** @internal A request was given to it. */
  begin(): void {
    this.#inFlight++;
    const home = this.#home;
    if (home === undefined) return;
    if (this.#isAvailable) home.count(1);
    if (this.#inFlight === this.#room) home.roomChanged(this);
  }

  /** @internal A request that was given to it is finished. */
  end(): void {
    this.#inFlight--;
    const home = this.#home;
    if (home === undefined) return;
    if (this.#isAvailable) home.count(-1);
    if (this.#inFlight === this.#room - 1) home.roomChanged(this);
  }

  get state(): UpstreamState {
    return this.#record.state;
  }

  /**
   * Its share of the requests relative to the others, above 0: the weight of its definition, reduced for an upstream of another
   * zone that takes only what this zone cannot.
   */
  get weight(): number {
    return this.#weight;
  }

  /** Its zone, for Weldrs that prefer servers near them. */
  get zone(): string | undefined {
    return this.#record.zone;
  }

  /**
   * Whether it has as many requests of this worker as its `maxConnections` allows. If so, others are chosen; if all are
   * full, requests wait.
   */
  get full(): boolean {
    return this.#inFlight >= this.#room;
  }

  /** @internal How many requests of this worker it may have at once; undefined: its `maxConnections` sets no limit. */
  get room(): number | undefined {
    return this.#room === endlessRoom ? undefined : this.#room;
  }

  /** Facts about it, by name: `upstream.labels['zone']`. */
  get labels(): Readonly<Record<string, string>> {
    return this.#record.labels ?? noLabels;
  }

  /** Whether it gets requests only while no other server of its pool is active. */
  get backup(): boolean {
    return this.#record.backup === true;
  }

  /**
   * Whether it is available for new requests. A backup is available only while no other server of its pool is active;
   * an upstream that is {@link apart} is not available.
   */
  get available(): boolean {
    return this.#isAvailable;
  }

  /**
   * Whether it is active, but left to other Weldrs by the pool's `subset` or because it is in another zone. Requests that
   * are bound to it, as by a cookie, may still go there.
   */
  get apart(): boolean {
    return this.#record.state === 'active' && this.#standing === 'apart';
  }
}

const noLabels: Readonly<Record<string, string>> = Object.freeze({});

function ownHost({ host }: UpstreamRecord, authority: string): string | undefined {
  if (host === 'client') return undefined;
  return host === 'upstream' ? authority : host;
}

function frozen(record: UpstreamRecord): UpstreamRecord {
  if (record.labels !== undefined) Object.freeze(record.labels);
  return Object.freeze(record);
}
