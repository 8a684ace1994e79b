// PipelineOptions: what a pipeline works with.
import type { Pools } from '../pool/pools.ts';
import type { Stages } from './stages.ts';

/** One set for all pipelines of a worker. */
export interface PipelineOptions {
  readonly stages: Stages;
  readonly pools: Pools;
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Whether its requests are only explained. If so, no upstream counts them. */
  readonly rehearses?: boolean | undefined;
}
