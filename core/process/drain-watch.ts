// Notices, in a worker, when a draining upstream has no more requests of this worker.
import type { Upstream } from '../pool/pool.ts';
import type { PoolChange } from '../pool/pool-change.ts';
import type { Pools } from '../pool/pools.ts';
import { createHooks, type ReportPluginError } from '../stages/request-hooks.ts';
import { configScope } from '../stages/scope.ts';
import type { Stages } from '../stages/stages.ts';

/** Follows the changes of the pools and the attempts of one worker. */
export class DrainWatch {
  private readonly pools: Pools;
  private readonly report: (upstream: Upstream) => void;
  private readonly busy = new Set<Upstream>();
  private checking = false;

  /** `report` is called once for each drain, when this worker has finished its part. */
  constructor(pools: Pools, report: (upstream: Upstream) => void) {
    this.pools = pools;
    this.report = report;
  }

  /** Follows finished attempts. */
  watch(stages: Stages, report: ReportPluginError): void {
    const hooks = createHooks(report, 'drain-watch');
    stages.add({ plugin: 'drain-watch', hooks, scope: configScope, role: undefined, conditions: [] });
    hooks.attemptFinished.tap('drain-watch', () => {
      if (this.busy.size === 0 || this.checking) return;
      // The count goes down either before or after this hook.
      this.checking = true;
      setImmediate(() => this.check());
    });
  }

  /** Called with each change that was applied. */
  changed(change: PoolChange): void {
    if (change.op === 'settings') return;
    const id = change.op === 'set' ? change.upstream.id : change.id;
    const upstream = this.pools.get(change.pool)?.get(id);
    if (upstream === undefined) return;
    if (upstream.state !== 'draining') this.busy.delete(upstream);
    else if (upstream.inFlight > 0) this.busy.add(upstream);
    else this.report(upstream);
  }

  private check(): void {
    this.checking = false;
    for (const upstream of this.busy) {
      if (upstream.inFlight > 0) continue;
      this.busy.delete(upstream);
      if (upstream.state === 'draining') this.report(upstream);
    }
  }
}
