// RunningPlugin: one plugin at its place, as it is shown to operators.
import type { Role, Scope } from '../stages/scope.ts';

/** One plugin that runs. */
export interface RunningPlugin {
  /** Unique in a config: scope, name and id, such as `pool:api/round-robin`. Metrics and traces use this name. */
  readonly instance: string;
  readonly plugin: string;
  readonly id: string | undefined;
  readonly role: Role | undefined;
  readonly scope: Scope;
  /** Whether it is in a `when`, and so sees only some requests. */
  readonly conditional: boolean;
  /** The name of `define` in its list. */
  readonly definedAs: string | undefined;
}
