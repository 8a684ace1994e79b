// MetricSums: the counts of all processes, added up by the manager. They outlive reloads and the deaths of workers.
import { type MetricDefinition, sameShape } from './metric-definition.ts';
import type { MetricDelta } from './metric-delta.ts';
import { MetricFamilies } from './metric-families.ts';
import type { MetricFamily } from './metric-family.ts';
import { MetricRecorder } from './metric-recorder.ts';
import { MetricSum, ProcessChildren } from './metric-sum.ts';

/** The manager, among the numbers of workers. */
const managerItself = 0;

/** One metric of a process: its children there, and the sum that they are added to. */
interface Joined {
  readonly children: ProcessChildren;
  readonly sum: MetricSum;
}

interface Process {
  readonly age: number;
  /** By the numbers of the metrics there. */
  readonly metrics: Map<number, Joined>;
}

/** The sums of one instance by name: one for each shape that a process has. While a reload runs there may be two. */
type InstanceSums = Map<string, MetricSum[]>;

/**
 * The metrics of all plugin instances. No message of a worker makes it throw. While old and new workers have a
 * metric in different shapes, that of the youngest worker is shown.
 *
 * The order of calls: {@link admit} before plugins start, {@link recordManager} for their manager sides, {@link keep}
 * when they have started, then {@link add} for what workers send and {@link workerExited} when one has ended.
 */
export class MetricSums {
  private readonly instances = new Map<string, InstanceSums>();
  private readonly processes = new Map<number, Process>();
  private manager = new MetricRecorder();
  private started = 0;

  /** Takes the instances of a config that is about to run. Counts of others are dropped. */
  admit(instances: Iterable<string>): void {
    for (const instance of instances) {
      if (!this.instances.has(instance)) this.instances.set(instance, new Map());
    }
  }

  /** Keeps the instances of the config that runs now, and forgets all others with their counts. */
  keep(instances: Iterable<string>): void {
    const kept = new Set(instances);
    this.admit(kept);
    for (const instance of this.instances.keys()) if (!kept.has(instance)) this.instances.delete(instance);
  }

  /**
   * Makes the recorder for the manager sides of one config; {@link collect} includes it at once. What the previous
   * recorder counted stays, except for gauges.
   */
  recordManager(): MetricRecorder {
    this.takeManager();
    this.workerExited(managerItself);
    this.manager = new MetricRecorder();
    return this.manager;
  }

  /** Adds the counts of a worker, which may have ended. */
  add(worker: number, deltas: readonly MetricDelta[]): void {
    let process = this.processes.get(worker);
    if (process === undefined) {
      process = { age: ++this.started, metrics: new Map() };
      this.processes.set(worker, process);
    }
    for (const delta of deltas) {
      if (delta.definition !== undefined) this.define(process, delta.metric, delta.definition);
      const joined = process.metrics.get(delta.metric);
      joined?.sum.add(joined.children, delta);
      if (delta.isGone === true) this.leave(process, delta.metric);
    }
  }

  /** Forgets the counts of a name whose last plugin has ended at run time. */
  drop(instance: string): void {
    this.instances.delete(instance);
  }

  private leave(process: Process, metric: number): void {
    const joined = process.metrics.get(metric);
    if (joined === undefined) return;
    process.metrics.delete(metric);
    joined.sum.leave(joined.children);
    this.dropOldShapes(joined.sum.definition);
  }

  /** Removes the gauges of a worker that has ended, after everything that it sent was added. */
  workerExited(worker: number): void {
    const process = this.processes.get(worker);
    if (process === undefined) return;
    this.processes.delete(worker);
    for (const { children, sum } of process.metrics.values()) {
      sum.leave(children);
      this.dropOldShapes(sum.definition);
    }
  }

  /**
   * Returns all metrics with their values. `labelOf` returns the label `plugin_instance` for an instance; undefined (the
   * default): no such label. Values with the same name and labels are added up. `names`: only these metrics.
   */
  collect(
    labelOf: (instance: string) => string | undefined = () => undefined,
    names?: readonly string[],
  ): MetricFamily[] {
    this.takeManager();
    const families = new MetricFamilies();
    for (const [instance, sums] of this.instances) {
      const label = labelOf(instance);
      for (const [name, shapes] of sums) {
        if (names?.includes(name) === false) continue;
        const shown = youngest(shapes);
        if (shown !== undefined) families.add(shown, label);
      }
    }
    return families.list();
  }

  /** Forgets the children of all metrics for which `stays` returns false, such as those of servers that left. */
  retain(stays: (labels: Readonly<Record<string, string>>) => boolean): void {
    this.takeManager();
    for (const sums of this.instances.values()) {
      for (const shapes of sums.values()) for (const sum of shapes) sum.retain(stays);
    }
  }

  private takeManager(): void {
    const deltas = this.manager.take();
    if (deltas !== undefined) this.add(managerItself, deltas);
  }

  private define(process: Process, metric: number, definition: MetricDefinition): void {
    const before = process.metrics.get(metric);
    if (before !== undefined) {
      before.sum.leave(before.children);
      process.metrics.delete(metric);
    }
    const sums = this.instances.get(definition.instance);
    if (sums === undefined) return;
    const shapes = sums.get(definition.name) ?? [];
    sums.set(definition.name, shapes);
    let sum = shapes.find(known => sameShape(known.definition, definition));
    if (sum === undefined) {
      sum = new MetricSum(definition);
      shapes.push(sum);
    }
    const children = new ProcessChildren(process.age);
    sum.join(children, definition);
    process.metrics.set(metric, { children, sum });
    this.dropOldShapes(definition);
  }

  /** Drops the shapes of a metric that no process still has; the last one stays, for its counts. */
  private dropOldShapes({ instance, name }: MetricDefinition): void {
    const sums = this.instances.get(instance);
    const shapes = sums?.get(name);
    if (sums === undefined || shapes === undefined || shapes.length < 2) return;
    const used = shapes.filter(sum => sum.youngest > 0);
    sums.set(name, used.length > 0 ? used : shapes.slice(-1));
  }
}

/** Returns the sum of the youngest process; the last one when no process has it. */
function youngest(shapes: readonly MetricSum[]): MetricSum | undefined {
  return shapes.reduce<MetricSum | undefined>(
    (best, sum) => (best === undefined || sum.youngest >= best.youngest ? sum : best),
    undefined,
  );
}
