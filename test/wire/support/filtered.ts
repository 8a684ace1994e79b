// Filters in all the places that a config allows, among all the plugins that decide where a request goes.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { when } from '../../../core/plugin/when.ts';
import { reply } from '../../../core/request/reply.ts';
import { managerSide, settle, type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import {
  failOpen,
  jwt,
  passiveHealth,
  rateLimit,
  retry,
  roundRobin,
  routes,
} from '../../../plugins/index.ts';

const refusal = reply(403, 'closed\n');

/** Filters that refuse everything they see, by the way they refuse. */
const ways: Readonly<Record<string, NonNullable<Plugin['worker']>>> = {
  'in request': ({ hooks }) => hooks.request.tap('closed', () => refusal),
  'in request, by a promise': ({ hooks }) =>
    hooks.request.tapPromise('closed', async () => {
      await undefined;
      return refusal;
    }),
  'in request, by a callback': ({ hooks }) =>
    hooks.request.tapAsync('closed', (_, done) => void setImmediate(() => done(null, refusal))),
  'in route': ({ hooks }) => hooks.route.tap('closed', () => refusal),
  'in preProxy': ({ hooks }) => hooks.preProxy.tap('closed', () => refusal),
};

/** A filter that refuses everything it sees. */
export function closed(way = 'in request'): Plugin {
  const worker = ways[way];
  if (worker === undefined) throw new Error(`no filter refuses ${way}`);
  return { name: 'closed', worker };
}

const filters = (way?: string): Plugin[] => [
  when({ path: '/login' }, closed(way)),
  when({ path: '/admin/*' }, closed(way)),
];

/** The servers of a setup. */
export interface Origins {
  readonly one: string;
  readonly two: string;
  /** An address without a listener. */
  readonly dead: string;
}

type Make = (origins: Origins) => Promise<TestWorkerSide>;

const inConfig =
  (...plugins: readonly Plugin[]): Make =>
  ({ one, two }) =>
    workerSide(plugins, { upstreams: [one, two] });

const toPool = (pool: string): Plugin => ({
  name: 'to-pool',
  worker: ({ hooks, pools }) => hooks.route.tap('to-pool', () => pools.ensure(pool)),
});

/** Changes other statuses of refusals to 403, as the tests expect. */
const asForbidden: Plugin = {
  name: 'as-forbidden',
  worker: ({ hooks }) =>
    hooks.respond.tap('as-forbidden', ctx => {
      if ((ctx.status === 401 || ctx.status === 429) && ctx.response !== undefined) ctx.response.status = 403;
    }),
};

const guarded = (guard: () => Plugin): Plugin[] => [
  when({ path: '/login' }, guard()),
  when({ path: '/admin/*' }, guard()),
];

/** Rate limits that are used up. */
const spent: Make = async ({ one, two }) => {
  const limit = () => rateLimit({ rate: 1, per: '20d', burst: 1, key: () => 'all' });
  const side = await workerSide([roundRobin(), ...guarded(limit), asForbidden], { upstreams: [one, two] });
  for (const target of ['/login', '/admin/x']) assert.is((await side.run({ target })).status, 200);
  return side;
};

/** Puts the first upstream on probation: it gets one request at a time, and only requests that may be repeated. */
const onProbation: Make = async ({ one, two }) => {
  const health = passiveHealth({ failures: 1, passes: 1000 });
  const manager = await managerSide(health, { servers: [one, two] });
  const side = await workerSide([roundRobin(), health, ...filters()], { manager });
  await settle();
  while (side.pools.default.get(one)?.state === 'active') {
    await side.run({ answers: ['CONNECT_FAILED'] });
    await settle();
  }
  await side.clock.advanceAsync(10_000);
  assert.match(side.pools.default.get(one)?.record.reason ?? '', 'on probation');
  return side;
};

/** Worker sides with filters for `/login` and `/admin/*`, by place or surrounding plugins. */
export const filtered: Readonly<Record<string, Make>> = {
  'before all others': inConfig(...filters(), roundRobin(), retry(), passiveHealth()),
  'after all others': inConfig(passiveHealth(), failOpen(), retry(), roundRobin(), ...filters()),
  'between the balancer and retry': inConfig(roundRobin(), ...filters(), retry()),
  'in the scope of the pool': ({ one, two }) =>
    workerSide([roundRobin(), retry()], { upstreams: [one, two], pools: { default: filters() } }),
  'in the scope of the pool that a rule leads to': ({ one, two }) =>
    workerSide([toPool('api'), roundRobin()], {
      upstreams: { default: [], api: [one, two] },
      pools: { api: filters() },
    }),
  'in the scope of a pool whose fallback serves': ({ one }) =>
    workerSide([roundRobin()], {
      upstreams: { default: [], spare: [one] },
      fallbacks: { default: 'spare' },
      pools: { default: filters() },
    }),
  'in the scope of the fallback': ({ one }) =>
    workerSide([roundRobin()], {
      upstreams: { default: [], spare: [one] },
      fallbacks: { default: 'spare' },
      pools: { spare: filters() },
    }),
  'in the scope of a route': ({ one, two }) => {
    const routes: Plugin = {
      name: 'routes',
      worker({ hooks, route, pools }) {
        const only = route('only', pools.default);
        hooks.route.tap('routes', () => only);
      },
      children: [{ scope: { kind: 'route', name: 'only' }, plugins: filters() }],
    };
    return workerSide([roundRobin(), routes], { upstreams: [one, two] });
  },
  'of routes': inConfig(
    roundRobin(),
    routes([
      { name: 'login', path: '/login', pool: 'default', plugins: [closed()] },
      { name: 'admin', path: '/admin/*', pool: 'default', plugins: [closed()] },
      { name: 'rest', path: '/*', pool: 'default' },
    ]),
  ),
  'as routes that reply': inConfig(
    roundRobin(),
    routes([{ name: 'closed', path: ['/login', '/admin/*'], reply: { status: 403 } }]),
  ),
  'of a route whose path is an expression': inConfig(
    roundRobin(),
    routes([
      { name: 'closed', path: /^\/(?:login\/?|admin(?:\/.*)?)$/i, pool: 'default', plugins: [closed()] },
      { name: 'rest', pool: 'default' },
    ]),
  ),
  'within another when': inConfig(
    roundRobin(),
    when({ any: [{ host: 'a.test' }, { not: { host: 'a.test' } }] }, ...filters()),
  ),
  'as all but what is open': inConfig(roundRobin(), when({ not: { path: ['/open', '/open/*'] } }, closed())),
  'with a first server that cannot be reached, so every request is retried': ({ dead, one }) =>
    workerSide([retry({ minimum: 10_000, budget: 1 }), ...filters()], { upstreams: [dead, one] }),
  'that require a token': inConfig(
    roundRobin(),
    ...guarded(() => jwt({ secret: 'a secret of thirty-two characters' })),
    asForbidden,
  ),
  'that are limits, used up': spent,
  'with a server on probation': onProbation,
  'with servers that are all down, and fail-open': ({ one, two }) =>
    workerSide([failOpen(), roundRobin(), ...filters()], {
      upstreams: [
        { url: one, state: 'down' },
        { url: two, state: 'down' },
      ],
    }),
};
for (const way of Object.keys(ways))
  Object.assign(filtered, { [way]: inConfig(roundRobin(), ...filters(way)) });
