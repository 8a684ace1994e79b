// StageEntry: the hooks of one plugin, with the place at which they run.
import type { RequestHooks } from './request-hooks.ts';
import type { Condition, Role, Scope } from './scope.ts';

/** One plugin's hooks, and for which requests they run. */
export interface StageEntry {
  /** The name of the plugin. */
  readonly plugin: string;
  readonly hooks: RequestHooks;
  readonly scope: Scope;
  readonly role: Role | undefined;
  /** All must hold; from the outermost `when` inwards. */
  readonly conditions: readonly Condition[];
}
