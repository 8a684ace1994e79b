// Trials: the requests that a worker gives to upstreams on probation, one at a time.

import type { Upstream } from '../../core/pool/pool.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import type { Verdict } from './attempt-verdict.ts';

/** What a worker reports about an upstream on probation. */
export type TrialNews = 'begun' | 'passed' | 'failed';

interface Trial {
  readonly upstream: Upstream;
  busy: boolean;
  begun: boolean;
  passes: number;
}

const trialOf = contextSlot<Trial>('passive-health.trial');

/** Methods that can be retried when the trial fails. */
const repeatable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** The upstreams on probation, as one worker sees them. */
export class Trials {
  private readonly trials = new Map<Upstream, Trial>();
  private readonly passesNeeded: number;
  private readonly tell: (upstream: Upstream, news: TrialNews) => void;

  constructor(passesNeeded: number, tell: (upstream: Upstream, news: TrialNews) => void) {
    this.passesNeeded = passesNeeded;
    this.tell = tell;
  }

  /** Begins the probation of an upstream. */
  begin(upstream: Upstream): void {
    this.trials.set(upstream, { upstream, busy: false, begun: false, passes: 0 });
  }

  end(upstream: Upstream): void {
    this.trials.delete(upstream);
  }

  /** Returns the upstream on probation that this request should try; undefined: none, or the request is not suited. */
  choose(ctx: ProxyContext): Upstream | undefined {
    if (this.trials.size === 0 || ctx.tried.length > 0 || ctx.rehearsal) return undefined;
    if (!repeatable.has(ctx.request.method) || !ctx.replayable || ctx.request.upgrade !== undefined)
      return undefined;
    for (const trial of this.trials.values()) {
      const { upstream } = trial;
      if (trial.busy || ctx.pool.get(upstream.id) !== upstream || upstream.state !== 'down') continue;
      trial.busy = true;
      ctx.set(trialOf, trial);
      if (!trial.begun) {
        trial.begun = true;
        this.tell(upstream, 'begun');
      }
      return upstream;
    }
    return undefined;
  }

  /** Handles a finished attempt; true: it was a trial. */
  finished(ctx: ProxyContext, verdict: Verdict): boolean {
    const trial = ctx.get(trialOf);
    if (trial === undefined || ctx.tried.length !== 1) return false;
    trial.busy = false;
    // Another probation may have begun in the meantime.
    if (this.trials.get(trial.upstream) !== trial) return true;
    if (verdict === 'success' && ++trial.passes >= this.passesNeeded) this.over(trial, 'passed');
    else if (verdict === 'failure') this.over(trial, 'failed');
    return true;
  }

  private over(trial: Trial, news: TrialNews): void {
    this.trials.delete(trial.upstream);
    this.tell(trial.upstream, news);
  }
}
