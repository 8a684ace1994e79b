// RunningPlugin: one plugin at its place, as it is shown to operators.
import type { Role, Scope } from '../stages/scope.ts';

/** One plugin that runs. */
export interface RunningPlugin {
  /** Unique in a config: scope, name and id, such as `pool:api/round-robin`. Metrics and traces name it so. */
  readonly instance: string;
  readonly plugin: string;
  readonly id: string | undefined;
  readonly role: Role | undefined;
  readonly scope: Scope;
  /** Does it stand in a `when`, and see only some requests? */
  readonly conditional: boolean;
  /** The name of `define` by which a list has it. */
  readonly definedAs: string | undefined;
}
