// DnsWatch: resolves a name repeatedly and passes on its servers.

import type { FoundServers } from '../../core/plugin/found-servers.ts';
import { backOff } from '../../core/time/back-off.ts';
import type { Clock } from '../../core/time/clock.ts';
import { LookLoop } from '../../core/time/look-loop.ts';
import { DnsQuestion, type DnsQuestionOptions, type KnownTargets } from './dns-question.ts';
import { type FoundListOptions, foundList } from './found-list.ts';

/** What to resolve, how often, and the receiver. */
export interface DnsWatchOptions extends DnsQuestionOptions, Omit<FoundListOptions, 'name'> {
  readonly pool: string;
  readonly found: FoundServers;
  readonly clock: Clock;
  /** From one query to the next, ms; undefined: the TTL of the answer, within these bounds. */
  readonly interval: number | undefined;
  readonly ttl: { readonly min: number; readonly max: number };
}

/** The share by which a query is delayed at random, so that many Weldrs do not ask at the same moment. */
const jitter = 0.1;

/** One name; one query at a time. */
export class DnsWatch {
  private readonly options: DnsWatchOptions;
  private readonly targets: KnownTargets = new Map();
  private readonly loop: LookLoop;
  private question: DnsQuestion | undefined;
  private failures = 0;

  constructor(options: DnsWatchOptions) {
    this.options = options;
    this.loop = new LookLoop(options.clock, async () => {
      const wait = await this.look();
      return wait * (1 + jitter * Math.random());
    });
  }

  /** Resolves the name for the first time; settles when that is answered or abandoned. */
  async start(): Promise<void> {
    await this.loop.start();
  }

  close(): void {
    this.loop.close();
    this.question?.cancel();
  }

  /** Returns how long to wait afterwards, ms. */
  private async look(): Promise<number> {
    const { pool, found, clock, interval, ttl, maxServers } = this.options;
    this.question = new DnsQuestion(this.options, clock);
    const answer = await this.question.ask(this.targets);
    this.question = undefined;
    const pace = interval ?? ttl.max;
    if (answer.kind !== 'found') {
      if (answer.kind === 'none') found.put(pool, [], { why: answer.why });
      else found.failed(answer.why);
      this.failures++;
      return backOff(this.failures, ttl.min, pace);
    }
    this.failures = 0;
    found.put(pool, foundList(answer.addresses, this.options));
    const { leftOut } = answer;
    if (leftOut > 0) {
      found.trouble('maxServers', `it has more than ${maxServers} servers; the rest is left out`, 'warn');
    } else found.well('maxServers');
    return interval ?? Math.min(ttl.max, Math.max(ttl.min, answer.ttl));
  }
}
