// Wire: what all connections of one worker share, whatever their protocol: settings, deadlines, rules, connections to
// upstreams and exchanges.
import type { Logger } from 'pino';
import type { Pools } from '../../pool/pools.ts';
import type { Settings } from '../../settings/settings.ts';
import type { PipelineOptions } from '../../stages/pipeline-options.ts';
import type { Stages } from '../../stages/stages.ts';
import type { Connector } from '../upstream/upstream-connection.ts';
import { Upstreams } from '../upstream/upstreams.ts';
import { Admission } from './admission.ts';
import { Deadlines } from './deadlines.ts';
import type { ExchangeHome } from './exchange-home.ts';
import { Exchanges } from './exchanges.ts';
import { Forwarding } from './forwarding.ts';

/** What a Wire is made from. */
export interface WireOptions {
  readonly stages: Stages;
  readonly pools: Pools;
  readonly settings: Settings;
  readonly log: Logger;
}

/** The shared part of a worker's data path. */
export class Wire implements ExchangeHome {
  readonly stages: Stages;
  /** The options of all exchanges' pipelines. */
  readonly pipelines: PipelineOptions;
  readonly pools: Pools;
  readonly settings: Settings;
  readonly log: Logger;
  readonly deadlines: Deadlines;
  readonly forwarding: Forwarding;
  readonly admission: Admission;
  readonly upstreams: Upstreams;
  readonly exchanges: Exchanges;
  /** Whether connections must end with their current response. */
  draining = false;

  /** `connector`: makes connections to upstreams. */
  constructor({ stages, pools, settings, log }: WireOptions, connector: Connector) {
    this.stages = stages;
    this.pipelines = { stages, pools, now: () => performance.now() };
    this.pools = pools;
    this.settings = settings;
    this.log = log;
    this.forwarding = new Forwarding(settings);
    this.admission = new Admission(settings, this.forwarding);
    this.deadlines = new Deadlines(
      Math.min(
        ...Object.values(settings.timeouts).filter(ms => ms > 0),
        settings.limits.upstreamQueueTimeout,
      ),
    );
    this.upstreams = new Upstreams(pools, settings, this.deadlines, connector);
    this.exchanges = new Exchanges(this);
  }

  close(): void {
    this.upstreams.close();
    this.deadlines.close();
  }
}
