// POST /batch: up to 100 changes of servers, pools, certificates, settings and what plugins own, all or none.
import { z } from 'zod';
import { parse } from '../../core/options/options.ts';
import type { AdminAnswer, AdminRequest, AdminRoutes } from '../../core/plugin/admin.ts';
import type { KindView } from '../../core/plugin/kind-view.ts';
import { Precondition } from '../../core/plugin/precondition.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import { namePattern } from '../../core/pool/pool-name.ts';
import { serverDefinition } from '../../core/pool/server-definition.ts';
import { serverKey, serverKindName } from '../../core/pool/server-kind.ts';
import { type Entity, etagOf } from '../../core/state/entity.ts';
import { isObject } from '../../core/state/merge-patch.ts';
import { maxBatch, maxPlanned } from '../../core/state/row.ts';
import type { Write } from '../../core/state/write.ts';
import { dryRunAnswer } from './dry-run.ts';
import { dryRun } from './query-help.ts';
import { isSet } from './query-switch.ts';

/** The most bytes of a batch. */
const maxBytes = 8 * 1024 * 1024;

const common = (kinds: readonly string[]) => ({
  kind: z
    .enum(['server', 'pool', 'certificate', 'setting', ...kinds])
    .default('server')
    .describe('What to change.'),
  pool: z.string().regex(namePattern).default('default').describe('For a server: its pool.'),
  url: z.string().max(2048).optional().describe('For a server: its URL.'),
  name: z
    .string()
    .max(253)
    .optional()
    .describe('For anything but a server: its name, such as "health-check" for a setting.'),
  ifMatch: z.string().max(1000).optional().describe('Like the field If-Match of a single change.'),
  ifNoneMatch: z.string().max(1000).optional().describe('Like the field If-None-Match.'),
});
const value = z.record(z.string(), z.unknown()).describe('The fields.');

const batchOf = (kinds: readonly string[]) => {
  const all = common(kinds);
  const change = z.discriminatedUnion('op', [
    z.strictObject({ op: z.literal('add'), value: value.default({}), ...all }),
    z.strictObject({ op: z.literal('put'), value, ...all }),
    z.strictObject({ op: z.literal('patch'), value, ...all }),
    z.strictObject({
      op: z.literal('remove'),
      force: z.boolean().optional().describe('For a pool: even if routes or fallbacks lead to it.'),
      ...all,
    }),
    z.strictObject({
      op: z.literal('forget'),
      fields: z.array(z.string()).max(100).optional().describe('Which overridden fields; default: all.'),
      ...all,
    }),
  ]);
  return z.strictObject({
    changes: z
      .array(change)
      .min(1)
      .max(maxPlanned)
      .describe(`Up to ${maxBatch}; with \`dryRun\` up to ${maxPlanned}.`),
  });
};

type BatchSchema = ReturnType<typeof batchOf>;
type Change = z.output<BatchSchema>['changes'][number];

const address = serverDefinition.shape.url;

/** The collaborators of the route. */
export interface BatchRouteOptions {
  readonly operator: OperatorPools;
  readonly kinds: readonly KindView[];
}

/** Adds the route. */
export function addBatchRoute(admin: AdminRoutes, { operator, kinds }: BatchRouteOptions): void {
  const batch = batchOf(kinds.map(({ kind }) => kind.name));
  admin.add({
    method: 'POST',
    path: '/batch',
    rel: 'batch',
    summary: 'Up to 100 changes, all or none',
    query: { dryRun },
    body: batch,
    answers: { 200: 'The result of each change, or what it would be' },
    maxBody: maxBytes,
    handle: request => writeBatch(operator, batch, request),
  });
}

async function writeBatch(
  operator: OperatorPools,
  batch: BatchSchema,
  request: AdminRequest,
): Promise<AdminAnswer> {
  const { changes } = parse(batch, request.body, 'INPUT_INVALID');
  const writes = changes.map((one, index) => writeOf(one, `changes[${index}]`));
  if (isSet(request, 'dryRun')) return dryRunAnswer(operator.plan(writes, request.by));
  const written = await operator.write(writes, request.by);
  return {
    status: 200,
    body: {
      changes: written.map(({ kind, key, before, after, changed }) => ({
        kind,
        key,
        changed,
        op: after === undefined ? 'remove' : before === undefined ? 'add' : 'change',
        ...(after !== undefined && { etag: etagOf(after) }),
      })),
    },
  };
}

function writeOf(one: Change, where: string): Write {
  const { ifMatch, ifNoneMatch } = one;
  const precondition = new Precondition({ ifMatch, ifNoneMatch });
  const expect = (entity: Entity | undefined) => precondition.check(entity && etagOf(entity));
  const identity = { ...identityOf(one, where), expect };
  switch (one.op) {
    case 'add':
    case 'put': {
      const given = identity.kind === serverKindName ? { ...one.value, url: identity.id } : one.value;
      return { ...identity, op: one.op, value: given };
    }
    case 'patch':
      return { ...identity, op: 'patch', value: one.value };
    case 'remove':
      return { ...identity, op: 'remove', force: one.force };
    case 'forget':
      return { ...identity, op: 'forget', fields: one.fields };
  }
}

function identityOf({ kind, pool, url, name, ...rest }: Change, where: string) {
  if (kind !== 'server') {
    const key = parse(z.string(), name, 'INPUT_INVALID', `${where}.name`);
    return { kind, key, id: key };
  }
  const inValue = 'value' in rest && isObject(rest.value) ? rest.value['url'] : undefined;
  const id = parse(address, url ?? inValue, 'INPUT_INVALID', `${where}.url`);
  return { kind: serverKindName, key: serverKey(pool, id), id };
}
