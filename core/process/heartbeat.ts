// The heartbeat of one worker, as its manager hears it: when it has been silent for too long, and for how long.
import type { CancelTimer, Clock } from '../time/clock.ts';

/** A worker gives a beat this often, in ms. */
export const beatInterval = 250;
/** How often the manager looks, in ms. */
const lookInterval = 2 * beatInterval;
/** A worker that is silent for this long counts as not ready, in ms: eight beats. */
export const silentAfter = 2_000;
/** A worker that is silent for this long hangs, in ms. */
export const hungAfter = 10_000;
/**
 * The same for a worker that has not loaded its config yet, in ms: what is read and compiled there may take its time,
 * on a busy machine above all, and no request waits for it.
 */
export const hungStartAfter = 60_000;

/** What a heartbeat works with. */
export interface HeartbeatOptions {
  readonly clock: Clock;
  /** After how long a silence it hangs, in ms; asked at each look. */
  hungAfter(): number;
  /** Called once in a silence, when it has lasted for {@link silentAfter}. */
  onSilent(): void;
  /** Called when it speaks again after that. */
  onHeard(silentMs: number): void;
  /** Called once, when it hangs. Nothing is called after it. */
  onHung(silentMs: number): void;
}

/**
 * Listens from when it is made until {@link stop}. A silence is measured in time in which the manager listened: a
 * manager that was stopped, suspended or busy itself has heard nobody meanwhile, and a look that comes late counts for
 * two at most. So it reads what waits for it before it calls a worker silent.
 */
export class Heartbeat {
  /** How long it has been silent, in ms, as far as the manager listened. */
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

  /** Has it been silent for too long to be given requests? */
  get silent(): boolean {
    return this.silentMs >= silentAfter;
  }

  /** It said something, whatever it was. */
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
