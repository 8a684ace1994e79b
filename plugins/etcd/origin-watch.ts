// OriginWatch: has a leader hand over when it reaches no server of a pool, and another candidate reaches all that the
// leader does and that pool, too.
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

/** It has to be so for this long, ms: a server that comes back, or a report on its way, moves nothing. */
const settleFor = 500;
/** After a hand-over that did not come about, ms. */
const tryAgainAfter = 5000;
/** A node that took over stays for this long at least, and one that left comes back after it; doubles each time, ms. */
const shortestStay = 10_000;
const longestStay = 300_000;
/** Without leaving for this long all is forgotten, ms. */
const forgetAfter = 600_000;

/** Of one node; `look` while it leads. */
export class OriginWatch {
  private readonly options: OriginWatchOptions;
  private since: number | undefined;
  private notBefore = 0;
  private stay = shortestStay;
  private lastLeft = Number.NEGATIVE_INFINITY;

  constructor(options: OriginWatchOptions) {
    this.options = options;
  }

  /** This node leads in place of another. */
  tookOver(): void {
    const now = this.options.clock.monotonic();
    this.since = undefined;
    if (now - this.lastLeft > forgetAfter) this.stay = shortestStay;
    this.notBefore = Math.max(this.notBefore, now + this.stay);
  }

  /** Leaves when it is time to. */
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
