// A study: one part of the benchmark, with its input and its result.
import type { CorePlan } from './machine.ts';
import type { Origin } from './origin.ts';
import type { ComparedProxy, RunningProxy } from './proxies/proxy.ts';
import type { Section } from './section.ts';

/** The set-up for all measurements. */
export interface Bench {
  readonly cores: CorePlan;
  readonly origin: Origin;
  /** The chosen proxies that are installed. */
  readonly proxies: readonly ComparedProxy[];
  /** The same, each with one worker; they run from the first to the last study. */
  readonly running: ReadonlyMap<string, RunningProxy>;
  readonly effort: Effort;
  /** Reports progress. */
  readonly progress: (text: string) => void;
}

/** The length and number of runs. */
export interface Effort {
  readonly rounds: number;
  /** The length of one run, s. */
  readonly seconds: number;
  /** How long the load before the first round lasts, for compilers and pools to settle, s. */
  readonly warmUp: number;
}

/** One part of the benchmark. */
export interface Study {
  /** Its name for `--scenario`. */
  readonly name: string;
  /** Is it part of `--quick`? */
  readonly quick: boolean;
  run(bench: Bench): Promise<StudyResult>;
}

/** The result of a study. */
export interface StudyResult {
  readonly section: Section;
  /** All measurements, for the JSON. */
  readonly figures: unknown;
  /** For the chart: CPU per request as a multiple of the reference's, by proxy. */
  readonly ratios?: Readonly<Record<string, number>>;
}
