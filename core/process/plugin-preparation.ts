// PluginPreparation: has all workers start the plugins of a list before it becomes active, and learns whether they did.
import { WeldrError } from '../errors.ts';
import type { ListingWorkers } from '../plugin/run-time-plugins.ts';
import { longestRunTimeStart } from '../plugin/start-bound.ts';
import type { Scope } from '../stages/scope.ts';
import type { ListedNames } from '../state/listed-names.ts';
import type { Clock } from '../time/clock.ts';
import type { ManagerMessage, StartProblem } from './messages.ts';

/** How often it checks whether an awaited worker has fallen silent, ms. */
const lookInterval = 250;
/** The time that a worker has to answer, in addition to the start of its plugins, ms. */
const grace = 5_000;

/** The workers of a config. */
export interface PreparingGroup {
  /** The numbers of the workers that accept connections and react. */
  readonly readyNumbers: readonly number[];
  tellAll(message: ManagerMessage): void;
}

/** What a {@link PluginPreparation} works with. */
export interface PluginPreparationOptions {
  readonly clock: Clock;
  /** The workers of the active config. */
  group(): PreparingGroup | undefined;
}

interface Round {
  /** The workers that have not answered yet. */
  readonly missing: Set<number>;
  readonly done: PromiseWithResolvers<void>;
}

/** The preparations of one manager's workers. */
export class PluginPreparation implements ListingWorkers {
  private readonly options: PluginPreparationOptions;
  private readonly rounds = new Map<number, Round>();
  private last = 0;

  constructor(options: PluginPreparationOptions) {
    this.options = options;
  }

  async prepare(scope: Scope, names: ListedNames): Promise<void> {
    const group = this.options.group();
    const workers = group?.readyNumbers ?? [];
    // A worker that is starting begins with the lists that are active then.
    if (group === undefined || workers.length === 0) return;
    this.last++;
    const number = this.last;
    const round: Round = { missing: new Set(workers), done: Promise.withResolvers() };
    this.rounds.set(number, round);
    group.tellAll({ type: 'stage-plugins', round: number, scope, names });
    const { clock } = this.options;
    const stops = [
      clock.every(lookInterval, () => this.leaveOutSilent(round, group)),
      clock.after(longestRunTimeStart + grace, () => round.done.reject(unanswered(round))),
    ];
    try {
      await round.done.promise;
    } finally {
      for (const stop of stops) stop();
      this.rounds.delete(number);
    }
  }

  abandon(scope: Scope): void {
    this.options.group()?.tellAll({ type: 'unstage-plugins', scope });
  }

  /** Takes a worker's answer: whether it has started the plugins. */
  answered(worker: number, number: number, problem: StartProblem | undefined): void {
    const round = this.rounds.get(number);
    if (round === undefined) return;
    if (problem === undefined) this.leaveOut(round, worker);
    else {
      const { code, message, field } = problem;
      round.done.reject(new WeldrError(code, message, field === undefined ? {} : { field }));
    }
  }

  /** Called when a worker has ended: its replacement begins with the active lists. */
  gone(worker: number): void {
    for (const round of this.rounds.values()) this.leaveOut(round, worker);
  }

  private leaveOutSilent(round: Round, { readyNumbers }: PreparingGroup): void {
    for (const worker of [...round.missing]) if (!readyNumbers.includes(worker)) this.leaveOut(round, worker);
  }

  private leaveOut({ missing, done }: Round, worker: number): void {
    missing.delete(worker);
    if (missing.size === 0) done.resolve();
  }
}

function unanswered({ missing }: Round): WeldrError {
  return new WeldrError(
    'PLUGIN_FAILED',
    `worker ${[...missing].join(', ')} did not report whether the plugins have started; nothing has changed`,
  );
}
