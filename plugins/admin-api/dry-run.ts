// DryRun: what a change would do, without making it: `?dryRun`.
import { certificateKindName, certificateSecrets } from '../../core/certificates/certificate-kind.ts';
import type { AdminAnswer } from '../../core/plugin/admin.ts';
import { poolKind } from '../../core/pool/pool-settings.ts';
import { serverKind } from '../../core/pool/server-kind.ts';
import { changesBetween } from '../../core/state/effective-change.ts';
import type { Written } from '../../core/state/resolved-writes.ts';

/** Lists what would change, field by field; secrets are not shown. */
export function dryRunAnswer(planned: readonly Written[]): AdminAnswer {
  const changes = planned.flatMap(({ kind, key, before, after }) =>
    changesBetween(key, { before: before?.value, after: after?.value }, secretOf(kind), { by: '' }).map(
      ({ field, from, to }) => ({
        kind,
        key,
        op: before === undefined ? 'add' : after === undefined ? 'remove' : 'change',
        ...(field !== undefined && { field, from, to }),
      }),
    ),
  );
  return { status: 200, body: { dryRun: true, changes } };
}

const secretOf = (kind: string): readonly string[] =>
  kind === certificateKindName
    ? certificateSecrets
    : ([serverKind, poolKind].find(({ name }) => name === kind)?.secret ?? []);
