// A study: one part of the benchmark, and what it needs and gives.
import type { CorePlan } from './machine.ts';
import type { Origin } from './origin.ts';
import type { ComparedProxy, RunningProxy } from './proxies/proxy.ts';
import type { Section } from './section.ts';

/** What everything is measured with. */
export interface Bench {
  readonly cores: CorePlan;
  readonly origin: Origin;
  /** The proxies that were chosen and are installed. */
  readonly proxies: readonly ComparedProxy[];
  /** Those, each with one worker; they run from the first to the last study. */
  readonly running: ReadonlyMap<string, RunningProxy>;
  readonly effort: Effort;
  /** Says what is going on. */
  readonly progress: (text: string) => void;
}

/** How long and how often. */
export interface Effort {
  readonly rounds: number;
  /** Of one run, s. */
  readonly seconds: number;
  /** Load before the first round, for compilers and pools to settle, s. */
  readonly warmUp: number;
}

/** One part of the benchmark. */
export interface Study {
  /** What `--scenario` calls it. */
  readonly name: string;
  /** Belongs to `--quick`. */
  readonly quick: boolean;
  run(bench: Bench): Promise<StudyResult>;
}

/** What a study gives. */
export interface StudyResult {
  readonly section: Section;
  /** All of its measurements, for the JSON. */
  readonly figures: unknown;
  /** For the chart: CPU a request as a multiple of the reference's, by proxy. */
  readonly ratios?: Readonly<Record<string, number>>;
}
