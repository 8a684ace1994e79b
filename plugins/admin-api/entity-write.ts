// EntityWrite: one change of one entity as requested, or with `?dryRun` what it would do.
import type { AdminAnswer, AdminRequest } from '../../core/plugin/admin.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import { type Entity, etagOf } from '../../core/state/entity.ts';
import { dryRunAnswer } from './dry-run.ts';
import { isSet } from './query-switch.ts';

/** The change. */
export type EntityChange =
  | { readonly op: 'add' | 'patch' | 'put'; readonly value: unknown }
  | { readonly op: 'remove'; readonly force?: boolean }
  | { readonly op: 'forget'; readonly fields: readonly string[] | undefined };

/** The entity. */
export interface EntityName {
  readonly kind: string;
  readonly key: string;
}

/** The result: is the entity new, and for a dry run the answer. */
export interface EntityWritten {
  readonly created: boolean;
  readonly answer: AdminAnswer | undefined;
}

/** Makes the change if the request's preconditions hold, or returns what it would do. */
export async function writeEntity(
  operator: OperatorPools,
  request: AdminRequest,
  name: EntityName,
  change: EntityChange,
): Promise<EntityWritten> {
  const expect = (entity: Entity | undefined) => request.precondition.check(entity && etagOf(entity));
  const writes = [{ ...name, expect, ...change }];
  if (isSet(request, 'dryRun')) {
    return { created: false, answer: dryRunAnswer(operator.plan(writes, request.by)) };
  }
  const [written] = await operator.write(writes, request.by);
  return { created: written?.before === undefined, answer: undefined };
}
