// Wire: what all connections of one worker share: settings, readers, deadlines, the upstreams' connections.
import type { Logger } from 'pino';
import type { Pools, Upstream } from '../../pool/pool.ts';
import type { Settings } from '../../settings/settings.ts';
import type { PipelineOptions } from '../../stages/pipeline.ts';
import type { Stages } from '../../stages/stages.ts';
import type { HeadLimits } from '../h1/request-head.ts';
import { RequestHead } from '../h1/request-head.ts';
import { ResponseHead } from '../h1/response-head.ts';
import { UpstreamConnections } from '../upstream/upstream-connections.ts';
import { Deadlines } from './deadlines.ts';
import { Forwarding } from './forwarding.ts';

/** What a Wire is made from. */
export interface WireOptions {
  readonly stages: Stages;
  readonly pools: Pools;
  readonly settings: Settings;
  readonly log: Logger;
}

/** The shared part of a worker's data path. */
export class Wire {
  readonly stages: Stages;
  readonly pipelineOptions: PipelineOptions;
  readonly pools: Pools;
  readonly settings: Settings;
  readonly log: Logger;
  readonly deadlines: Deadlines;
  readonly requestHead: RequestHead;
  readonly forwarding: Forwarding;
  /** Are connections to end with their current response? */
  draining = false;
  private readonly responseHead: ResponseHead;
  private readonly connections = new Map<Upstream, UpstreamConnections>();
  private readonly unfollow: () => void;
  private readonly unobserve: (() => void)[] = [];

  constructor({ stages, pools, settings, log }: WireOptions) {
    this.stages = stages;
    this.pipelineOptions = { stages, pools, now: () => performance.now() };
    this.pools = pools;
    this.settings = settings;
    this.log = log;
    const limits: HeadLimits = settings.limits;
    this.requestHead = new RequestHead(limits);
    this.responseHead = new ResponseHead(limits);
    this.forwarding = new Forwarding(settings);
    this.deadlines = new Deadlines(
      Math.min(
        ...Object.values(settings.timeouts).filter(ms => ms > 0),
        settings.limits.upstreamQueueTimeout,
      ),
    );
    this.unfollow = pools.follow(pool => {
      this.unobserve.push(
        pool.observe({
          removed: upstream => this.forget(upstream),
          changed: (upstream, before) => {
            const current = this.connections.get(upstream);
            if (JSON.stringify(before.tls) !== JSON.stringify(upstream.record.tls) || !upstream.available) {
              current?.closeIdle();
            }
          },
        }),
      );
    });
  }

  /** The connections to an upstream. */
  connectionsTo(upstream: Upstream): UpstreamConnections {
    const known = this.connections.get(upstream);
    if (known !== undefined) return known;
    const made = new UpstreamConnections(upstream, this.settings, this.deadlines, this.responseHead);
    // An upstream that was removed while a request was on its way to it is not kept.
    if (this.pools.get(upstream.pool)?.get(upstream.id) === upstream) this.connections.set(upstream, made);
    else made.close();
    return made;
  }

  close(): void {
    this.unfollow();
    for (const stop of this.unobserve) stop();
    for (const upstream of [...this.connections.keys()]) this.forget(upstream);
    this.deadlines.close();
  }

  private forget(upstream: Upstream): void {
    this.connections.get(upstream)?.close();
    this.connections.delete(upstream);
  }
}
