// EtcdAlarms: checks whether etcd accepts changes. An etcd that is out of space or damaged still renews leases, so nothing else
// would show it until the leader stops.
import type { Logger } from 'pino';
import type { Clock } from '../../core/time/clock.ts';
import type { EtcdClient } from './client.ts';
import { alarmOf, askMembers } from './etcd-members.ts';

/** The interval between checks, ms. */
const lookEvery = 2000;

/** What {@link EtcdAlarms} works with. */
export interface EtcdAlarmsOptions {
  readonly client: EtcdClient;
  readonly log: Logger;
  readonly clock: Clock;
  /** Called when the alarm has changed or ended. */
  changed(): void;
}

/** The alarm of an etcd, as its members report it. */
export class EtcdAlarms {
  private readonly options: EtcdAlarmsOptions;
  private lookedAt = Number.NEGATIVE_INFINITY;
  private busy = false;
  /** The alarm as a sentence, with what helps; undefined: there is none. */
  problem: string | undefined;

  constructor(options: EtcdAlarmsOptions) {
    this.options = options;
  }

  /** Checks, unless the last check was a moment ago. Never rejects. */
  async look(): Promise<void> {
    const { client, clock, log } = this.options;
    const now = clock.monotonic();
    if (this.busy || now - this.lookedAt < lookEvery) return;
    this.busy = true;
    this.lookedAt = now;
    const members = await askMembers(client);
    this.busy = false;
    // Without any answer nothing is known about alarms.
    if (!members.some(({ answers }) => answers)) return;
    const problem = alarmOf(members);
    if (problem === this.problem) return;
    if (problem === undefined) log.info('etcd accepts changes again');
    else log.error({ reason: problem }, 'etcd accepts no changes');
    this.problem = problem;
    this.options.changed();
  }
}
