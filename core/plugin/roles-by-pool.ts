// RolesByPool: which instance of a role is in charge of a pool, while plugins of pools come and go.
import type { PluginInstance } from './plugin-instance.ts';

/** The roles for which pools have their own plugins. */
export class RolesByPool {
  /** How many plugins have a role in a pool, by role and pool. */
  private readonly taken = new Map<string, number>();

  constructor(instances: readonly PluginInstance[] = []) {
    for (const instance of instances) this.add(instance);
  }

  add(instance: PluginInstance): void {
    const key = keyOf(instance);
    if (key !== undefined) this.taken.set(key, (this.taken.get(key) ?? 0) + 1);
  }

  remove(instance: PluginInstance): void {
    const key = keyOf(instance);
    if (key === undefined) return;
    const left = (this.taken.get(key) ?? 0) - 1;
    if (left > 0) this.taken.set(key, left);
    else this.taken.delete(key);
  }

  /** Returns whether this instance is in charge of a pool: its scope contains the pool, with no plugin of its role further in. */
  covers({ scope, plugin: { role } }: PluginInstance, pool: string): boolean {
    if (scope.kind === 'pool') return scope.name === pool;
    return role === undefined || !this.taken.has(`${role} ${pool}`);
  }
}

function keyOf({ scope, plugin: { role } }: PluginInstance): string | undefined {
  return scope.kind === 'pool' && role !== undefined ? `${role} ${scope.name}` : undefined;
}
