// KnownLeader: which node leads, as this node knows it, and which led before.
import type { Clock } from '../../core/time/clock.ts';

/** The leader as one node sees it. */
export class KnownLeader {
  private readonly clock: Clock;
  private current: string | undefined;
  private currentSince = 0;
  private previous: string | undefined;
  private free: number;
  /** The highest create revision of the key `leader` that was seen. */
  latestRevision = 0;

  constructor(clock: Clock) {
    this.clock = clock;
    this.free = clock.monotonic();
  }

  /** Undefined: no leader is known. */
  get name(): string | undefined {
    return this.current;
  }

  /** When the leader won, ms since the epoch; 0: no leader is known. */
  get since(): number {
    return this.currentSince;
  }

  /** The previous leader. */
  get last(): string | undefined {
    return this.previous;
  }

  /** Since when no leader is known, monotonic ms. */
  get freeSince(): number {
    return this.free;
  }

  /** Sets the leader; undefined: none. Returns whether that is a change. */
  set(name: string | undefined, since: number): boolean {
    this.currentSince = since;
    if (name === this.current) return false;
    if (this.current !== undefined) this.previous = this.current;
    if (name === undefined) this.free = this.clock.monotonic();
    this.current = name;
    return true;
  }

  /** This node leads, or leads again after a renewal that was late: the previous leader stays the same. */
  confirm(name: string, since: number): void {
    this.current = name;
    this.currentSince = since;
  }

  /** This node lost the leadership, and does not know which node has it. */
  forget(): void {
    if (this.current !== undefined) this.previous = this.current;
    this.current = undefined;
    this.free = this.clock.monotonic();
    this.currentSince = 0;
  }
}
