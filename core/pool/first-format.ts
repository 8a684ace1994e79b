// The first format of stores, and its translation into rows.
import { z } from 'zod';
import { plainJson } from '../state/merge-patch.ts';
import type { Batch, Mark, RowChange } from '../state/row.ts';
import { settingKindName } from '../state/settings.ts';
import { namePattern } from './pool-name.ts';
import { serverDefinition } from './server-definition.ts';
import { serverKey, serverKindName } from './server-kind.ts';

const poolName = z.string().regex(namePattern, 'not the name of a pool');
const id = z.string().max(2048);

/** `mapHost` is `host: 'upstream'` today. */
const firstServer = z.preprocess(input => {
  if (typeof input !== 'object' || input === null || !('mapHost' in input)) return input;
  const { mapHost, ...server } = input;
  return mapHost === true ? { ...server, host: 'upstream' } : server;
}, serverDefinition);

/** A server: `added` with its whole definition, or `removed`, over what the config says. */
export const firstEntry = z
  .discriminatedUnion('kind', [
    z.strictObject({ pool: poolName, id, kind: z.literal('added'), server: firstServer }),
    z.strictObject({ pool: poolName, id, kind: z.literal('removed') }),
  ])
  .refine(entry => entry.kind === 'removed' || entry.id === entry.server.url, {
    path: ['id'],
    message: "is not the server's URL",
  });

/** A setting; without a value, the config's. */
export const firstSetting = z.strictObject({
  name: z.string().min(1).max(200),
  value: z.unknown().optional(),
});

/** One change. */
export const firstChange = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('put'), entry: firstEntry }),
  z.strictObject({ op: z.literal('forget'), pool: poolName, id }),
  z.strictObject({ op: z.literal('setting'), setting: firstSetting }),
  z.strictObject({ op: z.literal('reset') }),
]);

/** The contents of a store, as exported. */
export const firstExport = z.strictObject({
  entries: z.array(firstEntry).max(100_000),
  settings: z.array(firstSetting).max(1000),
});

/** What a change of the first format does to rows. */
export function batchOfFirst(change: z.output<typeof firstChange>, mark: Mark): Batch {
  switch (change.op) {
    case 'put':
      return { ...mark, changes: [rowOfFirstEntry(change.entry, mark)] };
    case 'forget':
      return {
        ...mark,
        changes: [{ kind: serverKindName, key: serverKey(change.pool, change.id), row: undefined }],
      };
    case 'setting':
      return { ...mark, changes: [rowOfFirstSetting(change.setting, mark)] };
    case 'reset':
      return { ...mark, reset: true, changes: [] };
  }
}

/** A server as a row: an added one needs no base, as before. */
export function rowOfFirstEntry(entry: z.output<typeof firstEntry>, mark: Mark): RowChange {
  const identity = { kind: serverKindName, key: serverKey(entry.pool, entry.id) };
  const row =
    entry.kind === 'added'
      ? ({ ...identity, op: 'define', value: plainJson(entry.server), ...mark } as const)
      : ({ ...identity, op: 'remove', ...mark } as const);
  return { ...identity, row };
}

/** A setting as a row: its fields override the config's. */
export function rowOfFirstSetting({ name, value }: z.output<typeof firstSetting>, mark: Mark): RowChange {
  const identity = { kind: settingKindName, key: name };
  const isUnset = typeof value !== 'object' || value === null || Array.isArray(value);
  if (isUnset) return { ...identity, row: undefined };
  return { ...identity, row: { ...identity, op: 'patch', value: plainJson({ ...value }), ...mark } };
}
