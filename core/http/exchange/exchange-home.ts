// ExchangeHome: what all exchanges of a worker share.
import type { Logger } from 'pino';
import type { Pools } from '../../pool/pools.ts';
import type { Settings } from '../../settings/settings.ts';
import type { PipelineOptions } from '../../stages/pipeline-options.ts';
import type { Upstreams } from '../upstream/upstreams.ts';
import type { Admission } from './admission.ts';
import type { Deadlines } from './deadlines.ts';
import type { Forwarding } from './forwarding.ts';

/** Settings, rules and connections. */
export interface ExchangeHome {
  /** The options of the exchange's pipeline. */
  readonly pipelines: PipelineOptions;
  readonly pools: Pools;
  readonly settings: Settings;
  readonly log: Logger;
  readonly deadlines: Deadlines;
  readonly forwarding: Forwarding;
  readonly admission: Admission;
  readonly upstreams: Upstreams;
}
