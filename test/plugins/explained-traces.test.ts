// An explained request leaves no trace: whatever follows happens as it would have without it, plugin by plugin.
import * as assert from 'uvu/assert';
import { builtInPlugins } from '../../config/built-in-plugins.ts';
import type { Plugin } from '../../core/plugin/plugin.ts';
import {
  FakeClock,
  managerSide,
  type RunOptions,
  settle,
  type UpstreamAnswer,
  workerSide,
} from '../../core/testing.ts';
import * as builtIn from '../../plugins/index.ts';
import { suite } from '../support/suite.ts';

const test = suite('an explained request leaves no trace');

const urls = ['http://a:1', 'http://b:1', 'http://c:1'];
const { roundRobin, retry, metrics } = builtIn;

/** The set-up that a plugin is tried in. */
interface Trial {
  /** In place of `roundRobin()` alone. */
  plugins(): readonly Plugin[];
  readonly request?: RunOptions;
}

const withBalancer = (plugin: () => Plugin, request?: RunOptions): Trial => ({
  plugins: () => [plugin(), roundRobin(), retry()],
  ...(request !== undefined && { request }),
});
/** Balancers are tried without options, so that a new one needs no line here. */
const balancers: Readonly<Record<string, Trial>> = Object.fromEntries(
  Object.entries(await builtInPlugins())
    .filter(([name, plugin]) => name !== 'roundRobin' && plugin().role === 'balancer')
    .map(([name, plugin]) => [name, { plugins: () => [plugin(), retry()] }]),
);

/** Of `open sesame`. */
const sesame = '$2b$04$L7rDxBXJI/rC75nE4MHVB.AZPQf0kn7WZ1OZw7C6nr.iDArP5823e';
const sesameOf = (user: string): string => `Basic ${Buffer.from(`${user}:open sesame`).toString('base64')}`;

const allDown: Plugin = {
  name: 'all-down',
  manager: ({ pools }) => void pools.observe({ joining: () => 'it is a test' }),
};

const trials: Readonly<Record<string, Trial>> = {
  ...balancers,
  accessLog: withBalancer(() => builtIn.accessLog()),
  basicAuth: withBalancer(() => builtIn.basicAuth({ users: { ada: sesame } }), {
    headers: { Authorization: sesameOf('ada') },
  }),
  circuitBreaker: withBalancer(() => builtIn.circuitBreaker({ minRequests: 3, rest: '1s', passes: 1 })),
  compress: withBalancer(() => builtIn.compress(), { headers: { 'Accept-Encoding': 'gzip' } }),
  concurrencyLimit: withBalancer(() => builtIn.concurrencyLimit({ max: 1, queue: 0 })),
  cors: withBalancer(() => builtIn.cors({ origins: ['https://a.test'] }), {
    headers: { Origin: 'https://a.test' },
  }),
  errorPages: withBalancer(() => builtIn.errorPages({ pages: { '5xx': { 'text/plain': 'sorry' } } })),
  failOpen: { plugins: () => [builtIn.failOpen(), allDown, roundRobin(), retry()] },
  headers: withBalancer(() => builtIn.headers({ secure: true, request: { set: { 'X-Edge': 'yes' } } })),
  httpsRedirect: withBalancer(() => builtIn.httpsRedirect()),
  ipFilter: withBalancer(() => builtIn.ipFilter({ deny: ['192.0.2.0/24'] })),
  jwt: withBalancer(() => builtIn.jwt({ secret: 'a secret of thirty-two characters', audience: 'shop' }), {
    headers: { Authorization: 'Bearer e30.e30.e30' },
  }),
  metrics: withBalancer(() => builtIn.metrics()),
  passiveHealth: withBalancer(() => builtIn.passiveHealth({ failures: 2, ejection: '1s' })),
  rateLimit: withBalancer(() => builtIn.rateLimit({ rate: 1, burst: 4, fields: 'both' })),
  requestId: withBalancer(() => builtIn.requestId()),
  retry: { plugins: () => [roundRobin(), retry({ budget: 0, minimum: 0.1 })] },
  roundRobin: withBalancer(() => builtIn.stats()),
  routes: withBalancer(() =>
    builtIn.routes([{ name: 'half', path: '/*', split: { default: 50, other: 50 } }]),
  ),
  stats: withBalancer(() => builtIn.stats()),
  stickyCookie: withBalancer(() => builtIn.stickyCookie({ secret: 'a secret of many letters' })),
  tracing: withBalancer(() => builtIn.tracing({ exporter: { url: 'http://127.0.0.1:1' } })),
};

/** Plugins that see no request, and the one that asks another server, which `explained-requests.test.ts` covers. */
const withoutTrial: readonly string[] = [
  'acme',
  'adminApi',
  'dashboard',
  'dnsDiscovery',
  'dockerDiscovery',
  'etcd',
  'fileDiscovery',
  'floatingIp',
  'forwardAuth',
  'healthCheck',
  'poolFile',
];

/** The outcome of each request, one after the other. */
const answers: readonly UpstreamAnswer[] = [
  200,
  503,
  'CONNECT_FAILED',
  200,
  503,
  503,
  500,
  'CONNECT_FAILED',
  200,
];
const supposed = [200, 503, 'CONNECT_FAILED'] as const;

test('is tried with every built-in plugin that sees requests', () => {
  const known = [...Object.keys(trials), ...withoutTrial];
  for (const name of Object.keys(builtIn)) {
    assert.ok(known.includes(name), `give ${name} a trial above, or list it in withoutTrial`);
  }
  assert.equal(known.sort(), Object.keys(builtIn).sort());
});

for (const [name, trial] of Object.entries(trials)) {
  test(`in ${name}`, async () => {
    const [plain, explained] = [await historyOf(trial, 'nothing'), await historyOf(trial, 'explained')];
    const differing = (one: readonly string[], other: readonly string[]): readonly string[] =>
      one.filter((line, at) => line !== other[at]);
    assert.equal(differing(explained, plain), differing(plain, explained));
  });
}

/** All that can be seen of a run of requests, with or without others between them that are only explained. */
async function historyOf(
  { plugins, request = {} }: Trial,
  between: 'nothing' | 'explained',
): Promise<readonly string[]> {
  const { random } = Math;
  // Random choices are the same in each run.
  Math.random = () => 0.3;
  const clock = new FakeClock();
  const own = plugins();
  const list = own.some(({ name }) => name === 'metrics') ? own : [...own, metrics()];
  const manager = await managerSide(list, { servers: { default: urls, other: urls }, clock });
  const told: unknown[] = [];
  const line = { ...manager, admin: manager.admin.bind(manager), receive: heard };
  function heard(...message: Parameters<typeof manager.receive>): void {
    // Messages without an instance carry the metrics, which are compared below.
    if (message[0] !== '') told.push(message);
    manager.receive(...message);
  }
  const worker = await workerSide(list, { manager: line });
  const seen: string[] = [];
  const see = (what: string, value: unknown): void => void seen.push(`${what}: ${JSON.stringify(value)}`);
  try {
    for (const answer of answers) {
      if (between === 'explained')
        for (const answer of supposed) await worker.explain({ ...request, answer });
      // Every other answer is held, so that explained requests meet a request in flight.
      const held = Promise.withResolvers<void>();
      const running = worker.run({ ...request, answers: [held.promise.then(() => answer), 200] });
      await settle();
      if (between === 'explained')
        for (const answer of supposed) await worker.explain({ ...request, answer });
      held.resolve();
      const { status, attempts, headers, notes, error } = await running;
      await clock.advanceAsync(400);
      see('request', {
        status,
        attempts: attempts.map(({ id }) => id),
        fields: [...headers].filter(([field]) => !/^(?:set-cookie|x-request-id)$/i.test(field)),
        notes,
        error: error?.message,
        states: [...worker.pools.default].map(({ id, state, record, inFlight }) => [
          id,
          state,
          record.reason,
          inFlight,
        ]),
      });
    }
    await clock.advanceAsync(2_000);
    const { body } = await manager.admin('GET', '/metrics');
    const ofProcesses = /process|nodejs|event_loop|garbage|heap|memory/;
    for (const text of String(body).split('\n')) if (!ofProcesses.test(text)) see('metric', text);
    for (const message of told) see('message', message);
    for (const text of [...worker.logs, ...manager.logs]) see('log', text);
    for (const text of worker.lines) see('line', text.replace(/[\da-f-]{36}/g, 'ID'));
    return seen;
  } finally {
    Math.random = random;
    await worker.close();
    await manager.close();
  }
}
