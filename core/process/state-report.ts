// What the log and the events say about pools, routes and what operators changed.
import type { Logger } from 'pino';
import type { ManagerKinds } from '../plugin/manager-kinds.ts';
import type { ManagedPools } from '../pool/managed-pools.ts';
import type { Upstream } from '../pool/pool.ts';
import type { EffectiveChange } from '../state/effective-change.ts';
import { overviewOf, overviewText } from '../state/overview.ts';
import type { Row } from '../state/row.ts';
import type { EventRecorder } from './event-recorder.ts';

/** The most things that a line names. */
const maxNamed = 5;

/** What a {@link StateReport} reads, and where it goes. */
export interface StateReportOptions {
  /** Undefined before the log is open. */
  log(): Logger | undefined;
  readonly recorder: EventRecorder;
  readonly pools: ManagedPools;
  readonly kinds: ManagerKinds;
}

/** Reports changes, references that lead nowhere, and rows that cannot be used. */
export class StateReport {
  private readonly options: StateReportOptions;

  constructor(options: StateReportOptions) {
    this.options = options;
  }

  changed(change: EffectiveChange): void {
    const { log, recorder, pools } = this.options;
    const { text, ...facts } = change;
    log()?.info(facts, text);
    recorder.changed(pools, change);
  }

  takeover(backup: Upstream): void {
    const { pool, id, available } = backup;
    const text = available
      ? `backup ${id} steps in: no other server of pool ${pool} is active`
      : `backup ${id} steps back: pool ${pool} has other servers again`;
    this.options.log()?.[available ? 'warn' : 'info']({ pool, server: id }, text);
    this.options.recorder.backup(backup, text);
  }

  unusable({ kind, key }: Row, problem: string): void {
    this.options.log()?.error({ kind, key }, `an operator's change of ${kind} ${key}: ${problem}`);
  }

  /** The references that lead nowhere, in one line; undefined: there are none. */
  get danglingText(): string | undefined {
    const { dangling } = this.options.kinds;
    if (dangling.length === 0) return undefined;
    const named = dangling
      .slice(0, maxNamed)
      .map(({ what, pools }) => `${what} leads to ${pools.join(' and ')}`);
    const more = dangling.length > maxNamed ? ', …' : '';
    return `some pools do not exist (${named.join(', ')}${more}): requests for them are answered with 503`;
  }

  /** Logs, in a line each, which references lead nowhere, and what operators changed over the config. */
  overview(): void {
    const { kinds, pools } = this.options;
    const dangling = this.danglingText;
    if (dangling !== undefined) this.options.log()?.warn({ dangling: kinds.dangling.length }, dangling);
    const overview = overviewOf(pools.state);
    const text = overviewText(overview);
    if (text === undefined) return;
    const counts = Object.entries(overview).map(([standing, rows]) => [standing, rows.length]);
    this.options.log()?.info(Object.fromEntries(counts), text);
  }
}
