// ChangeRoutes: the routes of all run-time changes together: /pool/reset, /pool/export, /pool/import.
import { z } from 'zod';
import { certificateKindName } from '../../core/certificates/certificate-kind.ts';
import { WeldrError } from '../../core/errors.ts';
import { parse } from '../../core/options/options.ts';
import type { AdminAnswer, AdminRequest } from '../../core/plugin/admin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { firstExport, rowOfFirstEntry, rowOfFirstSetting } from '../../core/pool/first-format.ts';
import { isObject } from '../../core/state/merge-patch.ts';
import { type Mark, type Row, storedRow } from '../../core/state/row.ts';
import { lackingSecret, withoutSecrets } from '../../core/state/sealed-store.ts';
import { TimeSlices } from '../../core/time/time-slices.ts';
import { isSet } from './query-switch.ts';

/** The most bytes of an import. */
const maxImport = 64 * 1024 * 1024;

/** An export. */
const exported = z.strictObject({ rows: z.array(storedRow).max(100_000) });
/** The same, with rows unchecked. */
const exportForm = z.strictObject({ rows: z.array(z.unknown()).max(100_000) });

/** Adds these routes. */
export function addChangeRoutes(side: ManagerSide): void {
  const { admin, operator } = side;
  admin.add({
    method: 'POST',
    path: '/pool/reset',
    summary: 'Forget all run-time changes',
    answers: { 204: 'They are forgotten' },
    rel: 'reset-pool',
    async handle({ by }) {
      await operator.reset(by);
      return { status: 204, body: undefined };
    },
  });
  admin.add({
    method: 'GET',
    path: '/pool/export',
    summary: 'All run-time changes',
    query: { secrets: 'Include TLS keys and certificates; this is logged.' },
    answers: { 200: 'Rows' },
    rel: 'export-pool',
    handle: request => exportRows(side, request),
  });
  admin.add({
    method: 'POST',
    path: '/pool/import',
    summary: 'Import an export',
    body: exported,
    answers: { 200: 'The number of rows' },
    rel: 'import-pool',
    maxBody: maxImport,
    handle: request => importRows(side, request),
  });
}

function exportRows({ operator, log }: ManagerSide, request: AdminRequest): AdminAnswer {
  const rows = operator.rows();
  if (!isSet(request, 'secrets')) {
    // Without its key a certificate is of no use.
    const others = rows.filter(({ kind }) => kind !== certificateKindName);
    return { status: 200, body: { rows: others.map(withoutSecrets) } };
  }
  if (request.role !== 'operator')
    throw new WeldrError('FORBIDDEN', 'the read-only token does not give access to secrets');
  log.warn({ by: request.by }, `the run-time changes were exported with their TLS keys, by ${request.by}`);
  return { status: 200, body: { rows } };
}

/** Imports an export, also of an earlier version. Repeating it changes nothing. */
async function importRows(
  { operator, clock }: ManagerSide,
  { body, by }: AdminRequest,
): Promise<AdminAnswer> {
  const isFirst = isObject(body) && Object.hasOwn(body, 'entries');
  const rows = isFirst
    ? firstRows(parse(firstExport, body, 'INPUT_INVALID'), { by, at: clock.now() })
    : await exportedRows(body);
  for (const [index, row] of rows.entries()) {
    const lacking = lackingSecret(row);
    if (lacking === undefined) continue;
    const field = `rows[${index}].value.${lacking}`;
    throw new WeldrError('INPUT_INVALID', `${field}: it was left out of the export; export with --secrets`, {
      field,
    });
  }
  await operator.take(rows, by);
  return { status: 200, body: { imported: { rows: rows.length } } };
}

/** Parses row by row: there may be many, and the leader of a cluster has more urgent work. */
async function exportedRows(body: unknown): Promise<Row[]> {
  const { rows: given } = parse(exportForm, body, 'INPUT_INVALID');
  const slices = new TimeSlices();
  const rows: Row[] = [];
  for (const [index, row] of given.entries()) {
    rows.push(parse(storedRow, row, 'INPUT_INVALID', `rows[${index}]`));
    await slices.pause();
  }
  return rows;
}

function firstRows({ entries, settings }: z.output<typeof firstExport>, mark: Mark): Row[] {
  const changes = [
    ...entries.map(entry => rowOfFirstEntry(entry, mark)),
    ...settings.map(setting => rowOfFirstSetting(setting, mark)),
  ];
  return changes.flatMap(({ row }) => row ?? []);
}
