// EtcdAlarms: looks whether etcd takes changes at all while all else is well: one that is out of space, or damaged, still renews
// leases, so that nothing is missed until the leader stops.
import type { Logger } from 'pino';
import type { Clock } from '../../core/time/clock.ts';
import type { EtcdClient } from './client.ts';
import { alarmOf, askMembers } from './etcd-members.ts';

/** From one look to the next, ms. */
const lookEvery = 2000;

/** What it works with. */
export interface EtcdAlarmsOptions {
  readonly client: EtcdClient;
  readonly log: Logger;
  readonly clock: Clock;
  /** The alarm is another one, or over. */
  changed(): void;
}

/** The alarm of an etcd, as its members tell it. */
export class EtcdAlarms {
  private readonly options: EtcdAlarmsOptions;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private busy = false;
  /** In words, with what helps; undefined: there is none. */
  problem: string | undefined;

  constructor(options: EtcdAlarmsOptions) {
    this.options = options;
  }

  /** Looks if it is time to. Never rejects. */
  async look(): Promise<void> {
    const { client, clock, log } = this.options;
    const now = clock.monotonic();
    if (this.busy || now - this.lookedAt < lookEvery) return;
    this.busy = true;
    this.lookedAt = now;
    const members = await askMembers(client);
    this.busy = false;
    // Those that do not answer say nothing about it.
    if (!members.some(({ answers }) => answers)) return;
    const problem = alarmOf(members);
    if (problem === this.problem) return;
    if (problem === undefined) log.info('etcd takes changes again');
    else log.error({ reason: problem }, 'etcd takes no changes');
    this.problem = problem;
    this.options.changed();
  }
}
