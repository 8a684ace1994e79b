// Upstream: one server of a pool, as the manager and each worker hold it.
import type { PoolSettings } from './pool-settings.ts';
import { parseServerAddress, type ServerEndpoint } from './server-address.ts';
import type { UpstreamRecord, UpstreamState } from './upstream-record.ts';

/** What an upstream needs of the pool that it is a member of. */
export interface UpstreamHome {
  readonly settings: PoolSettings;
  /** So many more requests, or fewer, are in flight at an available upstream. */
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
  /** What its weight is multiplied with, above 0. */
  shareOf(upstream: Upstream): number;
  setShare(upstream: Upstream, share: number): void;
  /** The requests that it may have at once. */
  setRoom(upstream: Upstream, room: number): void;
}

/**
 * What an active upstream is to who looks at its pool: `ready` for any request; `waiting`, a backup while others are there;
 * `apart`, left to other Weldrs.
 */
export type Standing = 'ready' | 'waiting' | 'apart';

/** As many requests as there are: a number that V8 keeps in a word. */
export const endlessRoom = 2 ** 30;

/** @internal */
export let membership: Membership;

/** @internal `value instanceof Upstream`, which takes ten times as long: V8 does not inline a class's own test. */
export let isUpstream: (value: unknown) => value is Upstream;

/** One server of a pool. Only its pool changes it. */
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
  #home: UpstreamHome | undefined = undefined;
  #slot = -1;
  #standing: Standing = 'ready';
  #share = 1;
  /** What `available` and `weight` say, so that a choice need not look into the record. */
  #isAvailable: boolean;
  #weight: number;
  #room = endlessRoom;
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
  get home(): UpstreamHome | undefined {
    return this.#home;
  }

  /** Requests of this process that were given to it and are not finished. */
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
   * Its share of the requests relative to the others, above 0: what its definition says, and less for one of another zone
   * which takes only a part of what the own zone cannot.
   */
  get weight(): number {
    return this.#weight;
  }

  /** Where it is, for Weldrs that prefer servers near them. */
  get zone(): string | undefined {
    return this.#record.zone;
  }

  /** Has it as many requests of this worker as its `maxConnections` allows? Others are chosen then, and if there is none it is waited for. */
  get full(): boolean {
    return this.#inFlight >= this.#room;
  }

  /** @internal How many requests of this worker it may have at once; undefined: its `maxConnections` does not say. */
  get room(): number | undefined {
    return this.#room === endlessRoom ? undefined : this.#room;
  }

  /** What it is, by name: `upstream.labels['zone']`. */
  get labels(): Readonly<Record<string, string>> {
    return this.#record.labels ?? noLabels;
  }

  /** Does it get requests only while no other server of its pool is active? */
  get backup(): boolean {
    return this.#record.backup === true;
  }

  /**
   * May it be given new requests? A backup may not while another server of its pool may, and one that is {@link apart} may not.
   */
  get available(): boolean {
    return this.#isAvailable;
  }

  /**
   * Could it be given requests, and is left to other Weldrs: by the pool's `subset`, or as it is in another zone? What is bound to it,
   * as by a cookie, may be sent there all the same.
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
