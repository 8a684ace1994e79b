// A study: one part of the benchmark, with its input.
import type { CorePlan } from './machine.ts';
import type { Peer, RunningPeer } from './peer.ts';
import type { StudyResult } from './report.ts';

/** The set-up for all measurements. */
export interface Bench {
  readonly cores: CorePlan;
  readonly origin: RunningPeer;
  /** The compared peers, which run from the first to the last study. */
  readonly running: readonly RunningPeer[];
  readonly effort: {
    readonly rounds: number;
    /** The length of one run, s. */
    readonly seconds: number;
    /** How long the load before the first round lasts, for compilers and pools to settle, s. */
    readonly warmUp: number;
  };
  /** Starts a peer on the proxy's cores. */
  readonly start: (peer: Peer) => Promise<RunningPeer>;
  /** Reports progress. */
  readonly progress: (text: string) => void;
}

/** One part of the benchmark. */
export interface Study {
  /** Its name for `--scenario`. */
  readonly name: string;
  /** The peer without which it has nothing to measure, if any. */
  readonly needs?: string;
  run(bench: Bench): Promise<StudyResult>;
}
