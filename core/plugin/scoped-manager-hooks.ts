// ScopedManagerHooks: the manager's hooks for plugins of pools and routes: separate ones, which end with the plugin.
import type { ReportPluginError } from '../stages/request-hooks.ts';
import { createManagerHooks, type ManagerHooks } from './manager-hooks.ts';

/** The taps that call them, after all others. */
const tap = { name: 'plugins of pools and routes', stage: 1_000_000 } as const;

/** The hooks whose taps are called in order without waiting. */
const plain = [
  'upstreamChanged',
  'workerReady',
  'workerExited',
  'listening',
  'mayLead',
  'leadershipNeeds',
  'serviceAddresses',
] as const;

const inOrder = ['leaderChanged', 'handingOver', 'stopping'] as const;

/** The hooks of all plugins that have their own; called with the manager's. */
export class ScopedManagerHooks {
  private readonly report: ReportPluginError;
  private readonly sets = new Set<ManagerHooks>();

  constructor(all: ManagerHooks, report: ReportPluginError) {
    this.report = report;
    for (const name of plain) {
      all[name].tap(tap, (...args: unknown[]) => this.call(name, args));
    }
    for (const name of inOrder) {
      all[name].tapPromise(tap, (...args: unknown[]) => this.callInOrder(name, args));
    }
  }

  /** Makes the hooks of one plugin. */
  add(): ManagerHooks {
    const hooks = createManagerHooks(this.report);
    this.sets.add(hooks);
    return hooks;
  }

  remove(hooks: ManagerHooks): void {
    this.sets.delete(hooks);
  }

  private call(name: (typeof plain)[number], args: unknown[]): void {
    // Most hooks have no tap, and a hook that is never called costs nothing.
    for (const set of this.sets) {
      if (set[name].taps.length > 0) Reflect.apply(set[name].call, set[name], args);
    }
  }

  private async callInOrder(name: (typeof inOrder)[number], args: unknown[]): Promise<void> {
    for (const set of this.sets) {
      if (set[name].taps.length > 0) await Reflect.apply(set[name].promise, set[name], args);
    }
  }
}
