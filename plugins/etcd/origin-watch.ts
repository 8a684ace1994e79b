// OriginWatch: has a leader hand over when it reaches no server of a pool, and another candidate reaches that pool and all that the
// leader reaches.
import type { Logger } from 'pino';
import { describeError } from '../../core/errors.ts';
import type { Clock } from '../../core/time/clock.ts';
import type { Candidacy } from './board.ts';
import type { HandOver } from './hand-over.ts';
import { gains, type Reach } from './pool-reach.ts';
import { bestFirst, type NamedCandidacy } from './precedence.ts';

/** What an {@link OriginWatch} is made of. */
export interface OriginWatchOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  readonly handOver: Pick<HandOver, 'ask'>;
  reach(): Reach;
  candidacies(): Iterable<NamedCandidacy>;
}

/** The state must last this long, ms, so that a server that comes back, or a report under way, does not move the leadership. */
const settleFor = 500;
/** How long to wait after a hand-over that failed, ms. */
const tryAgainAfter = 5000;
/** The shortest time that a node stays after it took over, and away after it left, ms; doubles each time. */
const shortestStay = 10_000;
const longestStay = 300_000;
/** After this time without leaving, the doubling starts again, ms. */
const forgetAfter = 600_000;

/** The watch of one node. Call `look` while it leads. */
export class OriginWatch {
  private readonly options: OriginWatchOptions;
  private since: number | undefined;
  private notBefore = 0;
  private stay = shortestStay;
  private lastLeft = Number.NEGATIVE_INFINITY;

  constructor(options: OriginWatchOptions) {
    this.options = options;
  }

  /** This node has taken over the leadership from another. */
  tookOver(): void {
    const now = this.options.clock.monotonic();
    this.since = undefined;
    if (now - this.lastLeft > forgetAfter) this.stay = shortestStay;
    this.notBefore = Math.max(this.notBefore, now + this.stay);
  }

  /** Hands over if it is time to. */
  look(): void {
    const now = this.options.clock.monotonic();
    const better = this.better();
    if (better === undefined) {
      this.since = undefined;
      return;
    }
    this.since ??= now;
    if (now - this.since < settleFor || now < this.notBefore) return;
    this.notBefore = now + tryAgainAfter;
    void this.leaveFor(better.name, better.pools);
  }

  private better(): { readonly name: string; readonly pools: string[] } | undefined {
    const { nodeName } = this.options;
    const own = this.options.reach();
    if (own.unusable.length === 0) return undefined;
    const better = [...this.options.candidacies()].filter(
      ([name, other]: readonly [string, Candidacy]) =>
        name !== nodeName && other.unfit === undefined && gains(own, other).length > 0,
    );
    const [best] = bestFirst(better);
    return best === undefined ? undefined : { name: best[0], pools: gains(own, best[1]) };
  }

  private async leaveFor(to: string, pools: readonly string[]): Promise<void> {
    const { handOver, log, clock, nodeName } = this.options;
    const named = pools.slice(0, 3).join(', ');
    const why = `no server of ${named} is reached here`;
    try {
      await handOver.ask({ to, by: nodeName, why, pools });
      this.lastLeft = clock.monotonic();
      this.notBefore = this.lastLeft + this.stay;
      this.stay = Math.min(longestStay, 2 * this.stay);
    } catch (thrown) {
      log.warn({ to, pools, reason: describeError(thrown) }, `${why}, but the leadership stays`);
    }
  }
}
