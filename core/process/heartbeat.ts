// The heartbeat of one worker, as its manager hears it: whether it is silent, and for how long.
import type { CancelTimer, Clock } from '../time/clock.ts';

/** How often a worker sends a beat, in ms. */
export const beatInterval = 250;
/** How often the manager checks, in ms. */
const lookInterval = 2 * beatInterval;
/** The silence after which a worker counts as not ready, in ms: eight beats. */
export const silentAfter = 2_000;
/** The silence after which a worker hangs, in ms. */
export const hungAfter = 10_000;
/**
 * The same for a worker that has not loaded its config yet, in ms: reading and compiling may take a while, especially
 * on a busy machine, and no request waits for it.
 */
export const hungStartAfter = 60_000;

/** What a heartbeat works with. */
export interface HeartbeatOptions {
  readonly clock: Clock;
  /** The silence after which it hangs, in ms; asked at each check. */
  hungAfter(): number;
  /** Called once per silence, when it has lasted for {@link silentAfter}. */
  onSilent(): void;
  /** Called when a beat arrives after that. */
  onHeard(silentMs: number): void;
  /** Called once, when it hangs, as the last call. */
  onHung(silentMs: number): void;
}

/**
 * Listens from its construction until {@link stop}. A silence is measured in time during which the manager listened: a
 * manager that was stopped, suspended or busy could hear nothing meanwhile, so a late check counts for two at most, and
 * the manager reads its pending messages before it calls a worker silent.
 */
export class Heartbeat {
  /** How long it has been silent while the manager listened, in ms. */
  silentMs = 0;
  private readonly options: HeartbeatOptions;
  private readonly cancel: CancelTimer;
  private lastLook: number;
  private told = false;

  constructor(options: HeartbeatOptions) {
    this.options = options;
    this.lastLook = options.clock.monotonic();
    this.cancel = options.clock.every(lookInterval, () => this.look());
  }

  /** Whether it has been silent for too long to receive requests. */
  get silent(): boolean {
    return this.silentMs >= silentAfter;
  }

  /** Called for each message of the worker, of whatever kind. */
  heard(): void {
    const { silentMs } = this;
    this.silentMs = 0;
    if (!this.told) return;
    this.told = false;
    this.options.onHeard(silentMs);
  }

  stop(): void {
    this.cancel();
  }

  private look(): void {
    const now = this.options.clock.monotonic();
    this.silentMs += Math.min(now - this.lastLook, 2 * lookInterval);
    this.lastLook = now;
    if (this.silent && !this.told) {
      this.told = true;
      this.options.onSilent();
    }
    if (this.silentMs < this.options.hungAfter()) return;
    this.stop();
    this.options.onHung(this.silentMs);
  }
}
