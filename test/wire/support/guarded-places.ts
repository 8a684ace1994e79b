// A Weldr with each refusing filter in every possible place.
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WeldrConfig } from '../../../config/index.ts';
import { type Plugin, retry, when } from '../../../config/index.ts';
import { maintenance } from '../../../docs/examples/maintenance.ts';
import {
  basicAuth,
  circuitBreaker,
  compress,
  concurrencyLimit,
  cors,
  errorPages,
  forwardAuth,
  headers,
  httpsRedirect,
  ipFilter,
  jwt,
  type RouteInput,
  rateLimit,
  roundRobin,
  routes,
  stickyCookie,
} from '../../../plugins/index.ts';

/** A filter that refuses everything once it is triggered. */
export interface Kind {
  readonly make: (servers: Servers) => Plugin;
  /** The statuses with which it refuses. */
  readonly statuses: readonly number[];
  /** The request below its path that triggers it first. */
  readonly first?: 'prime' | 'hold' | 'fail';
}

/** The URLs of all servers. */
export interface Servers {
  /** The server that every filter guards. */
  readonly guarded: string;
  /** Answers 503. */
  readonly busy: string;
  /** Answers 403 to every auth request. */
  readonly auth: string;
  /** The port of the listener that is closed to all. */
  readonly closedPort: number;
}

const closedFile = join(tmpdir(), 'closed');

export const kinds: Readonly<Record<string, Kind>> = {
  ipFilter: { make: () => ipFilter({ allow: ['192.0.2.1'] }), statuses: [403] },
  basicAuth: {
    make: () => basicAuth({ users: { ada: '$2b$04$L7rDxBXJI/rC75nE4MHVB.AZPQf0kn7WZ1OZw7C6nr.iDArP5823e' } }),
    statuses: [401, 429],
  },
  forwardAuth: { make: ({ auth }) => forwardAuth({ url: auth }), statuses: [403] },
  jwt: { make: () => jwt({ secret: 'a secret of thirty-two characters' }), statuses: [401] },
  rateLimit: {
    make: () => rateLimit({ rate: 1, per: '20d', burst: 1 }),
    statuses: [429],
    first: 'prime',
  },
  concurrencyLimit: {
    make: () => concurrencyLimit({ max: 1, queue: 0, key: 'client' }),
    statuses: [429],
    first: 'hold',
  },
  circuitBreaker: {
    make: () => circuitBreaker({ minRequests: 1, errorRate: 0.01, statuses: [500], rest: '20d' }),
    statuses: [503],
    first: 'fail',
  },
  httpsRedirect: { make: () => httpsRedirect(), statuses: [308] },
  maintenance: {
    make: () => maintenance({ file: closedFile, allow: ['192.0.2.1'] }),
    statuses: [503],
  },
};

/** The places of a filter. Several places may share one filter. */
export const places = ['before', 'after', 'route', 'pool', 'fallback', 'retry'] as const;

export const pathOf = (kind: string, place: string): string => `/${kind}/${place}`.toLowerCase();
export const hostOf = (kind: string): string => `${kind}.test`.toLowerCase();

/** Retries requests of the busy pools in the guarded ones. */
const spill: Plugin = {
  name: 'spill',
  worker: ({ hooks }) =>
    hooks.judge.tap('spill', ({ pool, response }) =>
      response?.status === 503 && pool.name.endsWith('-busy')
        ? retry({ pool: pool.name.replace('-busy', '-pool') })
        : undefined,
    ),
};

function routesOf(kind: string, made: Plugin): RouteInput[] {
  const below = (place: string) => `${pathOf(kind, place)}/*`;
  return [
    { name: `${kind}-route`, path: below('route'), pool: 'default', plugins: [made] },
    { name: `${kind}-pool`, path: below('pool'), pool: `${kind}-pool` },
    { name: `${kind}-fallback`, path: below('fallback'), pool: `${kind}-front` },
    { name: `${kind}-retry`, path: below('retry'), pool: `${kind}-busy` },
  ];
}

/** Plugins that change requests and responses instead of refusing them. */
const marks: readonly Plugin[] = [
  headers({ request: { remove: ['X-Role'] }, response: { set: { 'X-Mark': '1' } } }),
  cors({ origins: ['https://good.test'] }),
  compress({ minBytes: 1 }),
  errorPages({ ofServers: true, pages: { '4xx': { 'text/html': 'our page' } } }),
];

/** The config: two listeners, one of which is closed to all. */
export function guardedPlaces(servers: Servers): WeldrConfig {
  writeFileSync(closedFile, '');
  const { guarded, busy, closedPort } = servers;
  const all = Object.entries(kinds).map(([kind, { make }]) => ({ kind, make: () => make(servers) }));
  const at = (place: string): Plugin[] =>
    all.map(({ kind, make }) => when({ path: `${pathOf(kind, place)}/*` }, make()));
  return {
    listen: [
      { name: 'open', address: '127.0.0.1:0', h2c: true },
      { name: 'closed', address: `127.0.0.1:${closedPort}`, h2c: true },
    ],
    // A request that occupies concurrencyLimit must last until the end.
    timeouts: { response: '20m' },
    pools: {
      default: [guarded],
      ...Object.fromEntries(
        all.flatMap(({ kind, make }) => [
          [`${kind}-pool`, { servers: [guarded], plugins: [make()] }],
          [`${kind}-front`, { servers: [], fallback: `${kind}-pool` }],
          [`${kind}-busy`, [busy]],
        ]),
      ),
    },
    plugins: [
      ...at('before'),
      when({ path: '/marked/*' }, ...marks),
      spill,
      stickyCookie({ secret: 'a secret of some length' }),
      routes([
        ...all.flatMap(({ kind, make }) => routesOf(kind, make())),
        {
          name: 'stripped',
          path: '/stripped/*',
          pool: 'default',
          requestHeaders: { remove: ['X-Role'], set: { 'X-User': 'ada' } },
        },
        { name: 'short', path: '/short/*', pool: 'default', bodyLimit: 8 },
        { name: 'hasty', path: '/hasty/*', pool: 'default', timeouts: { response: 50 } },
      ]),
      roundRobin(),
      ...at('after'),
      ...all.map(({ kind, make }) => when({ host: hostOf(kind) }, make())),
      when({ path: ['/login', '/admin/*'] }, ipFilter({ allow: ['192.0.2.1'] })),
      when({ listener: 'closed' }, ipFilter({ deny: ['0.0.0.0/0'] })),
    ],
  };
}
