// passive-health: ejects upstreams that fail requests, and lets them come back on probation.
import { z } from 'zod';
import { duration } from '../../core/options/duration.ts';
import { channel, definePlugin } from '../../core/plugin/define-plugin.ts';
import type { ManagerSide, WorkerSide } from '../../core/plugin/plugin.ts';
import type { Upstream } from '../../core/pool/pool.ts';
import { type BadResponses, upstreamDelay } from '../../core/request/upstream-blame.ts';
import { judgeAttempt } from './attempt-verdict.ts';
import { type Ejection, type EjectionLimits, Ejections } from './ejections.ts';
import { FailureCounter, type FailureLimits } from './failure-counter.ts';
import { type TrialNews, Trials } from './trials.ts';

const options = z
  .strictObject({
    failures: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(5)
      .describe('Failures in a row, in one worker, that eject a server.'),
    errorRate: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.5)
      .describe("The share of failures among a worker's attempts within `window` that ejects a server, too."),
    minRequests: z
      .number()
      .int()
      .min(1)
      .max(1_000_000)
      .default(20)
      .describe('`errorRate` does not apply while a worker had fewer attempts within `window`.'),
    window: duration()
      .refine(ms => ms >= 100, 'a window is at least 100ms')
      .prefault('10s')
      .describe('The period that `errorRate` applies to.'),
    statuses: z
      .array(z.number().int().min(400).max(599))
      .max(200)
      .default([])
      .describe('Response statuses that count as failures.'),
    slow: duration()
      .refine(ms => ms >= 1, 'a limit is at least 1ms')
      .optional()
      .describe('Responses whose head takes longer count as failures.'),
    ejection: duration()
      .refine(ms => ms >= 10, 'an ejection is at least 10ms')
      .prefault('10s')
      .describe('How long the first ejection lasts; each further one lasts twice as long.'),
    maxEjection: duration().prefault('5m').describe('The longest ejection.'),
    maxEjected: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe('The share of a pool that may be ejected at once; at least one server, never the last.'),
    passes: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(3)
      .describe('Requests in a row that must succeed during probation.'),
  })
  .describe('Ejects servers that fail requests, and lets them come back on probation.');

/** The options of `passiveHealth`, as written in a config. */
export type PassiveHealthOptions = z.input<typeof options>;

/** A message to the manager. */
interface Report {
  readonly pool: string;
  readonly id: string;
  /** The complaint about too many failures, or news of a trial. */
  readonly complaint?: string | undefined;
  readonly trial?: TrialNews | undefined;
}

/** A message to workers about an upstream's probation. */
interface Probation {
  readonly pool: string;
  readonly id: string;
  readonly probation: 'begins' | 'ends';
}

/** Ejects upstreams that fail requests: `passiveHealth({ failures: 5 })`. */
export const passiveHealth = definePlugin({
  name: 'passive-health',
  role: 'passive-health',
  schema: options,
  channel: channel<Report, Probation>(),
  memory: () => new Map<string, Ejection>(),
  worker: (side, parsed) => {
    const { statuses, slow, passes } = parsed;
    watch(side, parsed, { statuses: new Set(statuses), slow }, passes);
  },
  manager: (side, parsed) => decide(side, parsed),
});

function watch(
  { hooks, pools, channel: manager, onClose }: WorkerSide<Report, Probation>,
  limits: FailureLimits,
  bad: BadResponses,
  passes: number,
): void {
  const counter = new FailureCounter(limits);
  const trials = new Trials(passes, ({ pool, id }, trial) => manager.send({ pool, id, trial }));
  manager.onMessage(({ pool, id, probation }) => {
    const upstream = pools.get(pool)?.get(id);
    if (upstream === undefined) return;
    if (probation === 'begins') trials.begin(upstream);
    else trials.end(upstream);
  });
  // Before balancers, wherever they are listed: they would never choose an upstream for a trial.
  hooks.selectUpstream.tap({ name: 'passive-health', stage: -1 }, ctx => trials.choose(ctx));
  hooks.attemptFinished.tap('passive-health', ctx => {
    const { upstream, attempt } = ctx;
    if (upstream === undefined || attempt === undefined || ctx.rehearsal) return;
    const { startedAt } = attempt;
    const verdict = judgeAttempt(ctx, bad);
    // An ejected upstream may still finish its requests.
    if (trials.finished(ctx, verdict) || verdict === 'nothing' || !upstream.available) return;
    if (verdict === 'success') {
      counter.succeeded(upstream, startedAt);
      return;
    }
    const why = ctx.error?.title ?? `status ${attempt.status} after ${Math.round(upstreamDelay(ctx))} ms`;
    const complaint = counter.failed(upstream, startedAt);
    if (complaint !== undefined) {
      manager.send({ pool: upstream.pool, id: upstream.id, complaint: `${complaint}, the last: ${why}` });
    }
  });
  const forget = (upstream: Upstream): void => {
    counter.forget(upstream);
    trials.end(upstream);
  };
  const stops: (() => void)[] = [];
  const changed = (upstream: Upstream): void => {
    if (!upstream.available) counter.forget(upstream);
  };
  stops.push(pools.follow(pool => stops.push(pool.observe({ changed, removed: forget }))));
  onClose(() => {
    for (const stop of stops) stop();
  });
}

function decide(
  {
    hooks,
    pools,
    clock,
    log,
    memory,
    metrics,
    channel: workers,
    onClose,
  }: ManagerSide<Report, Probation, Map<string, Ejection>>,
  limits: EjectionLimits,
): void {
  const ejected = metrics.counter({
    name: 'passive_health_ejections_total',
    help: 'How often a server was ejected from its pool because its requests failed, or kept failing on probation.',
    labels: ['pool', 'server'],
    maxChildren: 10_000,
  });
  const ejections = new Ejections(
    {
      pools,
      clock,
      log,
      limits,
      ejected: (pool, id) => ejected.labels(pool, id).inc(),
      announce: (pool, id, probation) => workers.broadcast({ pool, id, probation }),
    },
    memory,
  );
  workers.onMessage(({ pool, id, complaint, trial }) => {
    if (complaint !== undefined) ejections.eject(pool, id, complaint);
    else if (trial === 'begun') ejections.begun(pool, id);
    else if (trial === 'passed') ejections.passed(pool, id);
    else if (trial === 'failed') ejections.failed(pool, id);
  });
  hooks.workerReady.tap('passive-health', worker => {
    for (const { pool, id } of ejections.onProbation()) {
      workers.send(worker, { pool, id, probation: 'begins' });
    }
  });
  const keepOne = ({ pool: name }: Upstream): void => ejections.keepOne(name);
  pools.observe({
    upstreamChanged(upstream, before) {
      ejections.changed(upstream, before);
      keepOne(upstream);
    },
    removed: upstream => {
      ejections.forget(upstream);
      ejected.remove(upstream.pool, upstream.id);
      keepOne(upstream);
    },
  });
  onClose(() => ejections.close());
  ejections.resume();
}
