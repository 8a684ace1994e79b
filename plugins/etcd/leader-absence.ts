// LeaderAbsence: reports that no node leads, and why, once that has lasted for some seconds.
import type { Logger } from 'pino';
import type { Clock } from '../../core/time/clock.ts';

/** What a {@link LeaderAbsence} works with. */
export interface LeaderAbsenceOptions {
  readonly log: Logger;
  readonly clock: Clock;
  /** An absence is reported once it has lasted this long, ms. */
  readonly patience: number;
  /** Returns the node that leads; one that still waits until it may does not count. */
  leader(): string | undefined;
  /** Returns why no node leads. */
  why(): Promise<string>;
  /** Returns whether this node has stopped taking part; if so, no reason is sought. */
  isRetired(): boolean;
  /** Sets the problem that is shown; undefined: none. */
  problem(text: string | undefined): void;
}

/** A reason is not logged again within this time, ms. */
const repeatAfter = 60_000;
const maxReasons = 100;

/** The absence of a leader, as one node sees it. */
export class LeaderAbsence {
  private readonly options: LeaderAbsenceOptions;
  /** Since when no node leads, monotonic ms; undefined: one does. */
  private since: number | undefined;
  private why: string | undefined;
  /** When each reason was logged, monotonic ms. */
  private readonly logged = new Map<string, number>();
  private lastReason: string | undefined;
  private isReported = false;

  constructor(options: LeaderAbsenceOptions) {
    this.options = options;
    this.since = options.clock.monotonic();
  }

  /** Why no node leads, as found last; undefined: one does, or that is not known yet. */
  get reason(): string | undefined {
    return this.why;
  }

  /** Looks once. Rejects when the reason cannot be found. */
  async look(): Promise<void> {
    const { clock, log, patience } = this.options;
    const now = clock.monotonic();
    const leader = this.options.leader();
    if (leader !== undefined) return this.end(leader, now);
    this.since ??= now;
    if (this.options.isRetired()) return;
    const reason = await this.options.why();
    if (this.options.leader() !== undefined) return;
    this.why = reason;
    if (now - this.since < patience) return;
    this.isReported = true;
    this.report();
    if (reason === this.lastReason) return;
    this.lastReason = reason;
    const loggedAt = this.logged.get(reason);
    if (loggedAt !== undefined && now - loggedAt < repeatAfter) return;
    if (this.logged.size >= maxReasons) this.logged.clear();
    this.logged.set(reason, now);
    log.error({ reason }, 'no node leads the cluster');
  }

  /** Sets the problem as it is now. */
  report(): void {
    const { why } = this;
    this.options.problem(
      this.isReported && why !== undefined ? `no node leads the cluster: ${why}` : undefined,
    );
  }

  private end(leader: string, now: number): void {
    const absence = this.since === undefined ? 0 : now - this.since;
    this.since = undefined;
    this.why = undefined;
    this.logged.clear();
    this.lastReason = undefined;
    if (this.isReported)
      this.options.log.warn(
        { leader },
        `${leader} leads, after ${Math.round(absence / 1000)} s without a leader`,
      );
    this.isReported = false;
    this.report();
  }
}
