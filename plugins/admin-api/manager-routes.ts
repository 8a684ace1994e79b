// The routes of Weldr as a whole: what it is, whether it is ready, reload, and its pools as one.

import { WeldrError } from '../../core/errors.ts';
import type { AdminAnswer, AdminRoutes } from '../../core/plugin/admin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import { type StoredEntry, storedPools } from '../../core/pool/store.ts';
import { parse } from '../../core/settings/options.ts';

/** The most bytes of an import. */
const maxImport = 64 * 1024 * 1024;
/** Entries of an import that are written side by side: they share the syncs of a store. */
const importAtOnce = 512;

/** Adds these routes. */
export function addManagerRoutes(side: ManagerSide): void {
  const { admin, status, operator } = side;
  admin.add({ method: 'GET', path: '/', rel: 'self', handle: () => index(admin, status.version) });
  admin.add({
    method: 'GET',
    path: '/healthz',
    rel: 'healthz',
    handle: () => ({ status: 200, body: { status: 'alive' } }),
  });
  admin.add({ method: 'GET', path: '/readyz', rel: 'readyz', handle: () => readiness(side) });
  admin.add({
    method: 'POST',
    path: '/reload',
    rel: 'reload',
    outlivesServer: true,
    async handle() {
      await side.reload();
      return { status: 200, body: { reloaded: true } };
    },
  });
  admin.add({
    method: 'POST',
    path: '/pool/reset',
    rel: 'reset-pool',
    async handle() {
      await operator.reset();
      return { status: 204, body: undefined };
    },
  });
  admin.add({
    method: 'GET',
    path: '/pool/export',
    rel: 'export-pool',
    handle: () => ({ status: 200, body: operator.exportStored() }),
  });
  admin.add({
    method: 'POST',
    path: '/pool/import',
    rel: 'import-pool',
    maxBody: maxImport,
    handle: ({ body }) => importStored(side, body),
  });
}

function index(admin: AdminRoutes, version: string): AdminAnswer {
  const links = [...admin].flatMap(({ rel, path, method }) => {
    if (rel === undefined) return [];
    // A path with parts to fill in is a template of RFC 6570.
    const href = path.replaceAll(/:(\w+)/g, '{$1}');
    return { rel, href, method, ...(href === path ? {} : { templated: true }) };
  });
  return { status: 200, body: { name: 'weldr', version, links } };
}

/** Ready means that requests are taken: one worker is enough, so that a crash of another moves no traffic away. */
function readiness({ status, pools }: ManagerSide): AdminAnswer {
  const { readyWorkers, wantedWorkers, stopping } = status;
  const ready = !stopping && readyWorkers > 0;
  const available = pools.counts('default')?.available ?? 0;
  return { status: ready ? 200 : 503, body: { ready, readyWorkers, wantedWorkers, stopping, available } };
}

/** Takes over what an export gave. Doing it again changes nothing, so that one that failed half-way is repeated. */
async function importStored({ pools, operator }: ManagerSide, body: unknown): Promise<AdminAnswer> {
  const { entries, settings } = parse(storedPools, body, 'INPUT_INVALID');
  for (let at = 0; at < entries.length; at += importAtOnce) {
    const some = entries.slice(at, at + importAtOnce).map(entry => importEntry(operator, entry));
    const failed = (await Promise.allSettled(some)).find(result => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
  for (const { name, value } of settings) await pools.setSetting(name, value);
  return { status: 200, body: { imported: { entries: entries.length, settings: settings.length } } };
}

async function importEntry(operator: OperatorPools, entry: StoredEntry): Promise<void> {
  if (entry.kind === 'added') {
    await operator.add(entry.pool, entry.server);
    return;
  }
  try {
    await operator.remove(entry.pool, entry.id);
  } catch (thrown) {
    // No config lists it here: there is nothing to hide.
    if (!(thrown instanceof WeldrError) || thrown.code !== 'NOT_FOUND') throw thrown;
  }
}
