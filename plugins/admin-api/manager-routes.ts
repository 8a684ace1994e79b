// ManagerRoutes: the routes of Weldr as a whole: index, readiness, reload, upgrade, and export and import of run-time changes.

import { z } from 'zod';
import { certificateKindName } from '../../core/certificates/certificate-kind.ts';
import { WeldrError } from '../../core/errors.ts';
import type { AdminAnswer, AdminRequest, AdminRoutes } from '../../core/plugin/admin.ts';
import type { ManagerSide, ManagerStatus } from '../../core/plugin/plugin.ts';
import { firstExport, rowOfFirstEntry, rowOfFirstSetting } from '../../core/pool/first-format.ts';
import { parse } from '../../core/settings/options.ts';
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
export function addManagerRoutes(side: ManagerSide): void {
  const { admin, status, operator } = side;
  admin.add({
    method: 'GET',
    path: '/',
    summary: 'Name and version, with links to everything',
    answers: { 200: 'Name, version and links' },
    rel: 'self',
    handle: () => index(admin, status.version),
  });
  admin.add({
    method: 'GET',
    path: '/healthz',
    ignoresQuery: true,
    summary: 'Does the manager live?',
    answers: { 200: 'It does' },
    rel: 'healthz',
    handle: () => ({ status: 200, body: { status: 'alive' } }),
  });
  admin.add({
    method: 'GET',
    path: '/readyz',
    ignoresQuery: true,
    summary: 'Are requests taken?',
    answers: { 200: 'They are', 503: 'They are not' },
    rel: 'readyz',
    handle: () => readiness(side),
  });
  admin.add({
    method: 'POST',
    path: '/reload',
    summary: 'Reload the config',
    answers: { 200: 'It is active' },
    rel: 'reload',
    outlivesServer: true,
    async handle({ by }) {
      await side.reload(by);
      return { status: 200, body: { reloaded: true } };
    },
  });
  admin.add({
    method: 'POST',
    path: '/upgrade',
    summary: 'Replace this process by one of the version that is installed now',
    answers: { 200: 'It serves; this one finishes its requests and ends' },
    rel: 'upgrade',
    outlivesServer: true,
    async handle() {
      return { status: 200, body: { upgraded: true, from: status.version, to: await side.upgrade() } };
    },
  });
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
    answers: { 200: 'How many rows' },
    rel: 'import-pool',
    maxBody: maxImport,
    handle: request => importRows(side, request),
  });
}

function index(admin: AdminRoutes, version: string): AdminAnswer {
  const links = [...admin].flatMap(({ rel, path, method }) => {
    if (rel === undefined) return [];
    // A path with parameters becomes a template of RFC 6570.
    const href = path.replaceAll(/:(\w+)/g, '{$1}');
    return { rel, href, method, ...(href === path ? {} : { templated: true }) };
  });
  return { status: 200, body: { name: 'weldr', version, links } };
}

/** Ready means that requests are accepted: one worker is enough, so that a crash of another moves no traffic away. */
function readiness({ status, pools }: ManagerSide): AdminAnswer {
  const { readyWorkers, wantedWorkers, stopping } = status;
  const reason = whyNotReady(status);
  const ready = reason === undefined;
  const available = pools.counts('default')?.available ?? 0;
  const body = { ready, ...(!ready && { reason }), readyWorkers, wantedWorkers, stopping, available };
  return { status: ready ? 200 : 503, body };
}

/** Returns why Weldr is not ready; undefined: it is. */
function whyNotReady({ stopping, readyWorkers, silentWorkers }: ManagerStatus): string | undefined {
  if (stopping) return 'this Weldr is stopping';
  if (readyWorkers > 0) return undefined;
  return silentWorkers > 0 ? 'no worker reacts' : 'no worker accepts connections';
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

/** Row by row, as there may be many, and the leader of a cluster has more urgent work. */
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
