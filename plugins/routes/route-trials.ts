// RouteTrials: the manager side of routes: how they relate to each other, and POST /routes/test.
import { triedRequest } from '../../core/explain/tried-request.ts';
import type { AdminRoutes } from '../../core/plugin/admin.ts';
import type { ManagerSide } from '../../core/plugin/plugin.ts';
import { RouteList } from './route-list.ts';
import type { OtherwiseOptions, RouteOptions } from './route-options.ts';
import { tryRoutes } from './route-trial.ts';

/** The lists of one config, in the order in which their manager sides start. */
const listsOf = new WeakMap<AdminRoutes, { list: RouteList; otherwise: OtherwiseOptions | undefined }[]>();

/** The relevant options of a list. */
interface TrialOptions {
  readonly routes: readonly RouteOptions[];
  readonly otherwise?: OtherwiseOptions | undefined;
}

/** Shows how the routes of a list relate to each other, and serves tests of requests on all lists. */
export function serveTrials(
  side: ManagerSide<never, never, undefined, RouteOptions>,
  { routes, otherwise }: TrialOptions,
): void {
  const { admin, entities, kinds, traffic } = side;
  const list = new RouteList(
    entities,
    routes.map(({ name }) => name),
  );
  side.showMore((name, how) => {
    const { shadowedBy, warnings } = list.standingOf(name);
    const shadow = how === 'alone' ? list.shadowOf(name) : undefined;
    const all = shadow === undefined ? warnings : [...warnings, shadow];
    const hits = traffic.hits(name);
    return {
      ...(shadowedBy.length > 0 && { shadowedBy }),
      ...(all.length > 0 && { warnings: all }),
      ...(hits !== undefined && { hits }),
    };
  });
  const lists = listsOf.get(admin) ?? [];
  lists.push({ list, otherwise });
  if (listsOf.has(admin)) return;
  listsOf.set(admin, lists);
  const instances = kinds.find(({ kind }) => kind.plural === 'routes')?.instances ?? [];
  admin.add({
    method: 'POST',
    path: '/routes/test',
    rel: 'test-route',
    summary: 'Which route a request would take, and why earlier ones do not match',
    access: 'readers',
    body: triedRequest,
    answers: { 200: 'The route and where it leads' },
    handle({ body }) {
      const tried = lists.map((one, i) => ({ ...one, conditions: instances[i]?.conditions ?? [] }));
      return { status: 200, body: tryRoutes(tried, body) };
    },
  });
}
