// ManagerRoutes: the routes of Weldr as a whole: index, readiness, reload and upgrade.
import type { AdminAnswer, AdminRoutes } from '../../core/plugin/admin.ts';
import type { ManagerSide, ManagerStatus } from '../../core/plugin/plugin.ts';

/** Adds these routes. */
export function addManagerRoutes(side: ManagerSide): void {
  const { admin, status } = side;
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
    summary: 'Whether the manager is alive',
    answers: { 200: 'It is' },
    rel: 'healthz',
    handle: () => ({ status: 200, body: { status: 'alive' } }),
  });
  admin.add({
    method: 'GET',
    path: '/readyz',
    ignoresQuery: true,
    summary: 'Whether Weldr accepts requests',
    answers: { 200: 'It does', 503: 'It does not' },
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
  return silentWorkers > 0 ? 'no worker responds' : 'no worker accepts connections';
}
