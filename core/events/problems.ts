// Problems: what is wrong right now, in sentences, as the core and plugins report it.
import type { Clock } from '../time/clock.ts';
import { bounded, type NewEvent, type Severity, type Subject } from './event.ts';

/** The most problems of one source at a time; more are not shown. */
const maxProblems = 50;

/** What is wrong, in a sentence without the time. */
export interface NewProblem extends Subject {
  /** Default `warning`. */
  readonly severity?: Exclude<Severity, 'info'> | undefined;
  readonly text: string;
}

/** A problem as it is shown. */
export interface Problem extends NewProblem {
  readonly severity: Exclude<Severity, 'info'>;
  /** Since when, ms since the epoch. */
  readonly since: number;
}

/** The current problems, by source and name. */
export class Problems {
  private readonly clock: Clock;
  private readonly bySource = new Map<string, Map<string, Problem>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** All current problems. */
  get list(): Problem[] {
    return [...this.bySource.values()].flatMap(known => [...known.values()]);
  }

  /**
   * Reports a problem, or, with undefined, its end; `name` distinguishes the problems of a source. With another text it
   * remains the same problem, with the same start. Returns the event to record; undefined: nothing new.
   */
  set(source: string, name: string, told: NewProblem | undefined): NewEvent | undefined {
    const known = this.bySource.get(source) ?? new Map<string, Problem>();
    const before = known.get(name);
    if (told === undefined) {
      if (before === undefined) return undefined;
      known.delete(name);
      if (known.size === 0) this.bySource.delete(source);
      const { severity: _severity, since: _since, text, ...subject } = before;
      return { ...subject, type: 'problem.cleared', text: `over: ${text}`, by: source };
    }
    if (before === undefined && known.size >= maxProblems) return undefined;
    const { severity = 'warning' } = told;
    const text = bounded(told.text, 500);
    known.set(name, { ...told, text, severity, since: before?.since ?? this.clock.now() });
    this.bySource.set(source, known);
    if (before?.text === text) return undefined;
    return { ...told, type: 'problem.raised', by: source, severity, text };
  }

  /** Silently drops the problems of a source that no longer exists. */
  forget(source: string): void {
    this.bySource.delete(source);
  }

  /** Silently drops the problems of sources that no longer exist: nothing would ever end them. */
  retain(sources: readonly string[]): void {
    for (const source of [...this.bySource.keys()])
      if (!sources.includes(source)) this.bySource.delete(source);
  }
}
