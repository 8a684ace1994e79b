// `npm run bench:micro`: measures parts of a request in this process: reading a head, the pipeline, choosing a route and an
// upstream, access log and metrics. `--json` prints the result for `npm run bench`.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import { RequestHead } from '../core/http/h1/request-head.ts';
import type { Plugin } from '../core/plugin/plugin.ts';
import type { Pool } from '../core/pool/pool.ts';
import { Pools } from '../core/pool/pools.ts';
import { ProxyContext, stateOf } from '../core/request/context.ts';
import { HeaderList } from '../core/request/headers.ts';
import { RequestState } from '../core/request/request-state.ts';
import { settingsSchema } from '../core/settings/settings.ts';
import type { Carrier } from '../core/stages/carrier.ts';
import { Pipeline } from '../core/stages/pipeline.ts';
import { createHooks } from '../core/stages/request-hooks.ts';
import { Stages } from '../core/stages/stages.ts';
import { upstreamRecord, workerSide } from '../core/testing.ts';
import { consistentHash, leastRequests, peakEwma, random, roundRobin } from '../plugins/index.ts';
import type { IndexedRoute } from '../plugins/routes/route-entry.ts';
import { RouteIndex } from '../plugins/routes/route-index.ts';
import {
  formatMedian,
  formatQuartiles,
  formatTime,
  type StudyResult,
  sectionText,
  summarise,
} from './report.ts';
import { realisticHeaders } from './scenarios.ts';
import { servedCases } from './served-request.ts';

interface Case {
  readonly name: string;
  /** Runs the case this many times. */
  run(times: number): void;
}

const batches = 15;
/** The least time of a batch, ms. */
const batchTime = 40;
// Half of the paths are exact, the others have prefixes and parameters.
const pathPatterns = ['/api/v1/resource-N', '/api/v1/items-N/*', '/accounts-N/:id', '/static/N'];

const cases: Case[] = [
  headCase('request head, small', { Host: '127.0.0.1:8080' }),
  headCase('request head, 12 fields', { Host: '127.0.0.1:8080', ...realisticHeaders }),
  pipelineCase('pipeline, three synchronous taps, with its context'),
  await selectionCase('selection, 10 upstreams', 10),
  await selectionCase('selection, 10,000 upstreams', 10_000),
  await selectionCase('selection, 10,000 upstreams, half down', 10_000, { down: 5_000 }),
  await selectionCase('random, 10,000 upstreams', 10_000, { balancer: random() }),
  await selectionCase('least requests, 10,000 upstreams', 10_000, { balancer: leastRequests() }),
  await selectionCase('peak EWMA, 10,000 upstreams', 10_000, { balancer: peakEwma() }),
  await selectionCase('consistent hash of the target, 10,000 upstreams', 10_000, {
    balancer: consistentHash({ by: 'target' }),
  }),
  ...(await servedCases()),
  routeCase('route, 10 routes', 1, 10),
  routeCase('route, 10,000 routes (1,000 hosts, 10 paths)', 1000, 10),
  routeCase('route, 10,000 routes of one host', 1, 10_000),
  routeChangeCase('a change of one of 10,000 routes (1,000 hosts, 10 paths)', 1000, 10),
];
const results = [];
for (const each of cases) results.push(await measure(each));
const nanoseconds = (time: number): string => formatTime(time / 1000);
const section = {
  name: 'micro',
  title: 'parts of a request in Weldr',
  headings: ['', 'time', 'quartiles', 'heap'],
  rows: results.map(({ name, time, allocated }) => [
    name,
    formatMedian(time, nanoseconds),
    formatQuartiles(time, nanoseconds),
    `${Math.round(allocated)} B`,
  ]),
  notes: [],
  refusals: [],
};
const result: StudyResult = { section, figures: results };
console.log(process.argv.includes('--json') ? JSON.stringify(result) : sectionText(section));

/** Returns the time of a call, ns, and the bytes that it allocates. */
async function measure({ name, run }: Case) {
  let times = 64;
  for (let took = 0; took < batchTime; ) {
    times *= 2;
    const start = performance.now();
    run(times);
    took = performance.now() - start;
  }
  const perCall: number[] = [];
  const allocatedBefore = getHeapStatistics().total_allocated_bytes;
  for (let batch = 0; batch < batches; batch++) {
    // Lets a case finish its deferred work in between.
    await nextTurn();
    const start = process.hrtime.bigint();
    run(times);
    perCall.push(Number(process.hrtime.bigint() - start) / times);
  }
  const allocated = (getHeapStatistics().total_allocated_bytes - allocatedBefore) / (times * batches);
  return { name, time: summarise(perCall), allocated };
}

function headCase(name: string, headers: Readonly<Record<string, string>>): Case {
  const lines = Object.entries(headers).map(([field, value]) => `${field}: ${value}\r\n`);
  const bytes = Buffer.from(`GET /small HTTP/1.1\r\n${lines.join('')}\r\n`);
  const { limits } = settingsSchema.parse({});
  const head = new RequestHead(limits);
  return {
    name: `${name} (${bytes.length} bytes)`,
    run(times) {
      for (let i = 0; i < times; i++) {
        // As the wire does: one string per read.
        if (head.read(bytes.toString('latin1'), 0) !== bytes.length) throw new Error('the head was not read');
      }
    },
  };
}

function makeContext(pool: Pool, headers: HeaderList, target = '/small'): ProxyContext {
  return new ProxyContext(new RequestState('GET', target, '1.1', headers, pool, 0));
}

function pipelineCase(name: string): Case {
  const pools = new Pools();
  const pool = pools.default;
  const upstream = pool.set(upstreamRecord('http://127.0.0.1:1'));
  const headers = new HeaderList();
  const hooks = createHooks(error => {
    throw error;
  });
  let judged = 0;
  hooks.selectUpstream.tap('one', () => upstream);
  hooks.preProxy.tap('two', () => undefined);
  hooks.judge.tap('three', ctx => {
    judged += ctx.status;
    return undefined;
  });
  const carrier: Carrier = {
    forward(state) {
      state.status = 200;
      pipeline.responded();
    },
    respond: () => pipeline.completed(),
    reply: () => pipeline.completed(),
    failed() {},
    awaitStage() {},
    abandonAttempt() {},
  };
  const pipeline = new Pipeline({ stages: Stages.of(hooks), pools, now: () => 0 }, carrier);
  return {
    name,
    run(times) {
      judged = 0;
      for (let i = 0; i < times; i++) pipeline.start(makeContext(pool, headers));
      if (judged !== 200 * times) throw new Error('not every request was judged');
    },
  };
}

async function selectionCase(
  name: string,
  size: number,
  { down = 0, balancer = roundRobin() }: { readonly down?: number; readonly balancer?: Plugin } = {},
): Promise<Case> {
  const upstreams = Array.from({ length: size }, (_, n) => ({
    url: `http://10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:8080`,
    state: n % 2 === 0 && n / 2 < down ? ('down' as const) : ('active' as const),
  }));
  const side = await workerSide(balancer, { upstreams });
  const pool = side.pools.get('default');
  if (pool === undefined) throw new Error('there is no pool');
  const contexts = Array.from({ length: 1024 }, (_, n) => makeContext(pool, new HeaderList(), `/item/${n}`));
  let chosen = 0;
  const { selectUpstream } = side.stages.of(undefined, pool);
  const onChosen = (error?: Error | null, result?: unknown): void => {
    if (error) throw error;
    if (result !== undefined) chosen++;
  };
  return {
    name,
    run(times) {
      chosen = 0;
      for (let i = 0; i < times; i++) {
        const ctx = contexts[i & 1023];
        if (ctx !== undefined) selectUpstream.callAsync(ctx, onChosen);
      }
      if (chosen !== times) throw new Error('no upstream was chosen');
    },
  };
}

function pathName(n: number): string {
  return (pathPatterns[n % pathPatterns.length] ?? '').replace('N', String(n));
}

function hostName(n: number): string {
  return `service-${n}.shop.example`;
}

/** Returns a route for each path at each host. */
function routeList(hosts: number, paths: number): IndexedRoute[] {
  return Array.from({ length: hosts * paths }, (_, n) => {
    const path = pathName(Math.floor(n / hosts));
    const host = hostName(n % hosts);
    return { name: `r${n}`, priority: 0, hosts: [host], paths: [path], conditions: 0, holds: undefined };
  });
}

/** Chooses by host and path, which is parsed each time. */
function routeCase(name: string, hosts: number, paths: number): Case {
  const pool = new Pools().default;
  const routes = routeList(hosts, paths);
  const index = new RouteIndex(routes);
  const contexts = Array.from({ length: 1024 }, (_, n) => {
    const at = (n * 7919) % routes.length;
    const target = pathName(Math.floor(at / hosts))
      .replace('*', 'a/b')
      .replace(':id', '42');
    const ctx = makeContext(pool, new HeaderList(), target);
    stateOf(ctx).host = hostName(at % hosts);
    return { ctx, target, path: stateOf(ctx).path(), route: routes[at] };
  });
  let right = 0;
  return {
    name,
    run(times) {
      right = 0;
      for (let i = 0; i < times; i++) {
        const asked = contexts[i & 1023];
        if (asked === undefined) continue;
        asked.path.read(asked.target);
        if (index.choose(asked.ctx)?.route === asked.route) right++;
      }
      if (right !== times) throw new Error('a request took another route');
    },
  };
}

/** Gives a route another path, and its former one at the next turn. */
function routeChangeCase(name: string, hosts: number, paths: number): Case {
  const routes = routeList(hosts, paths);
  const moved = routes.map(route => ({ ...route, paths: [`/moved${route.paths[0]}`] }));
  const index = new RouteIndex(routes);
  let turn = 0;
  return {
    name,
    run(times) {
      for (let i = 0; i < times; i++, turn++) {
        const place = (turn * 7919) % routes.length;
        const route = (turn / routes.length) % 2 < 1 ? moved[place] : routes[place];
        if (route !== undefined) index.set(route.name, route, place);
      }
      if (index.size !== routes.length) throw new Error('a route is lost');
    },
  };
}
