// `npm run bench:micro`: measures parts of a request in this process: reading a head, the pipeline, choosing
// an upstream. `--json` prints the figures for `npm run bench`.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { getHeapStatistics } from 'node:v8';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import { RequestHead } from '../core/http/h1/request-head.ts';
import type { Plugin } from '../core/plugin/plugin.ts';
import type { Pool } from '../core/pool/pool.ts';
import { Pools } from '../core/pool/pools.ts';
import { ProxyContext, stateOf } from '../core/request/context.ts';
import { HeaderList } from '../core/request/headers.ts';
import { Redaction } from '../core/request/redaction.ts';
import { RequestState } from '../core/request/request-state.ts';
import { settingsSchema } from '../core/settings/settings.ts';
import type { Carrier } from '../core/stages/carrier.ts';
import { Pipeline } from '../core/stages/pipeline.ts';
import { createHooks } from '../core/stages/request-hooks.ts';
import { Stages } from '../core/stages/stages.ts';
import { upstreamRecord, workerSide } from '../core/testing.ts';
import { systemClock } from '../core/time/clock.ts';
import { LineBuffer } from '../plugins/access-log/line-buffer.ts';
import { lineFormat } from '../plugins/access-log/line-format.ts';
import { LogSink } from '../plugins/access-log/log-sink.ts';
import { LostLines } from '../plugins/access-log/lost-lines.ts';
import {
  consistentHash,
  leastRequests,
  metrics,
  peakEwma,
  random,
  requestId,
  roundRobin,
} from '../plugins/index.ts';
import type { IndexedRoute } from '../plugins/routes/route-entry.ts';
import { RouteIndex } from '../plugins/routes/route-index.ts';
import { DroppedSpans } from '../plugins/tracing/dropped-spans.ts';
import { loadPackages } from '../plugins/tracing/packages.ts';
import { SpanQueue } from '../plugins/tracing/span-queue.ts';
import { TraceIds } from '../plugins/tracing/trace-ids.ts';
import { Tracing } from '../plugins/tracing/tracing.ts';
import { realisticHeaders } from './scenarios.ts';
import { formatMedian, formatTime, sectionText } from './section.ts';
import { type Summary, summarise } from './statistics.ts';

/** The cost of one case. */
export interface MicroResult {
  readonly name: string;
  /** Per call, ns. */
  readonly time: Summary | undefined;
  /** Bytes allocated per call. */
  readonly allocated: number;
}

interface Case {
  readonly name: string;
  /** Runs the case so many times. */
  run(times: number): void;
}

const responseFields = { 'Content-Type': 'text/plain', ETag: '"abc"', 'Cache-Control': 'no-cache' };

const batches = 15;
const batchTime = 40;

// Half of the paths are exact, the others have prefixes and parameters.
const hostName = (n: number): string => `service-${n}.shop.example`;
const pathPatterns = ['/api/v1/resource-N', '/api/v1/items-N/*', '/accounts-N/:id', '/static/N'];
const pathName = (n: number): string => (pathPatterns[n % pathPatterns.length] ?? '').replace('N', String(n));

const cases: Case[] = [
  headCase('request head, small', { Host: '127.0.0.1:8080' }),
  headCase('request head, 12 fields', { Host: '127.0.0.1:8080', ...realisticHeaders }),
  pipelineCase('pipeline, three synchronous taps, with its context', () => {}),
  pipelineCase('the same, one tap edits the target', ctx => {
    ctx.outgoing.target = '/';
  }),
  await selectionCase('selection, 10 upstreams', 10, 0),
  await selectionCase('selection, 10,000 upstreams', 10_000, 0),
  await selectionCase('selection, 10,000 upstreams, half down', 10_000, 5_000),
  await selectionCase('random, 10,000 upstreams', 10_000, 0, random()),
  await selectionCase('least requests, 10,000 upstreams', 10_000, 0, leastRequests()),
  await selectionCase('peak EWMA, 10,000 upstreams', 10_000, 0, peakEwma()),
  await selectionCase(
    'consistent hash of the target, 10,000 upstreams',
    10_000,
    0,
    consistentHash({ by: 'target' }),
  ),
  servedCase('a request that was served: its context', () => {}),
  await requestIdCase('the same, with an id in request and response'),
  await tracingCase('the same, in a trace that is not recorded', 0),
  await tracingCase('the same, in one that is: the spans of it and of its attempt', 1),
  await tracingCase('the same, 1 % recorded', 0.01),
  accessLogCase('the same, with its line in the access log, json', 'json'),
  accessLogCase('the same, combined', 'combined'),
  accessLogCase('the same, a query with a secret', 'json', '/small?page=2&token=abc&sort=name'),
  await metricsCase('the same, counted for metrics'),
  routeCase('route, 10 routes', 1, 10),
  routeCase('route, 10,000 routes (1,000 hosts, 10 paths)', 1000, 10),
  routeCase('route, 10,000 routes (100 hosts, 100 paths)', 100, 100),
  routeCase('route, 10,000 routes of one host', 1, 10_000),
  routeChangeCase('a change of one of 10,000 routes (1,000 hosts, 10 paths)', 1000, 10),
  routeChangeCase('a change of one of 10,000 routes of one host', 1, 10_000),
];
const results: MicroResult[] = [];
for (const each of cases) results.push(await measure(each));
if (process.argv.includes('--json')) console.log(JSON.stringify(results));
else {
  const section = {
    name: 'micro',
    title: `micro-benchmark, Node ${process.versions.node}`,
    headings: ['', 'time', 'quartiles', 'allocated'],
    rows: results.map(({ name, time, allocated }) => [
      name,
      formatMedian(time, nanoseconds),
      time === undefined ? '–' : `${nanoseconds(time.low)} – ${nanoseconds(time.high)}`,
      `${Math.round(allocated)} B`,
    ]),
    notes: [],
    refusals: [],
  };
  console.log(sectionText(section));
}

function nanoseconds(time: number): string {
  return formatTime(time / 1000);
}

async function measure({ name, run }: Case): Promise<MicroResult> {
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

function pipelineCase(name: string, prepare: (ctx: ProxyContext) => void): Case {
  const pools = new Pools();
  const pool = pools.default;
  const upstream = pool.set(upstreamRecord('http://127.0.0.1:1'));
  const headers = new HeaderList();
  const hooks = createHooks(error => {
    throw error;
  });
  let judged = 0;
  hooks.selectUpstream.tap('one', () => upstream);
  hooks.preProxy.tap('two', ctx => {
    prepare(ctx);
    return undefined;
  });
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
  down: number,
  balancer: Plugin = roundRobin(),
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

/** A request with the usual fields of clients, answered by an upstream. */
function servedCase(
  name: string,
  use: (ctx: ProxyContext, number: number) => void,
  target = '/small',
  end: () => void = () => {},
): Case {
  const pool = new Pools().default;
  const upstream = pool.set(upstreamRecord('http://10.0.0.1:8080'));
  const fields = new HeaderList();
  for (const [field, value] of Object.entries({ Host: 'shop.example', ...realisticHeaders })) {
    fields.push(field, field.toLowerCase(), value);
  }
  const answered = new HeaderList();
  for (const [field, value] of Object.entries(responseFields)) {
    answered.push(field, field.toLowerCase(), value);
  }
  return {
    name,
    run(times) {
      for (let i = 0; i < times; i++) {
        const headers = fields.clone();
        const state = new RequestState('GET', target, '1.1', headers, pool, i);
        state.host = 'shop.example';
        state.clientIp = '192.0.2.1';
        state.status = 200;
        state.responseHeaders = answered.clone();
        state.beginAttempt(upstream, i);
        state.attempt?.sent(i + 0.021);
        state.attempt?.responded(200, i + 1.318);
        state.attempt?.finished(i + 1.402);
        state.finishedAt = i + 1.402;
        state.outcome = 'complete';
        use(new ProxyContext(state), i);
      }
      end();
    },
  };
}

async function requestIdCase(name: string): Promise<Case> {
  const side = await workerSide(requestId());
  const { request } = side.stages.first;
  const { respond } = side.stages.plain;
  const onAdmitted = (): void => {};
  let sent = 0;
  return servedCase(
    name,
    ctx => {
      request.callAsync(ctx, onAdmitted);
      respond.call(ctx);
      // As the wire does.
      sent += Buffer.from(stateOf(ctx).addedLines + stateOf(ctx).responseHeaders?.toLines(), 'latin1').length;
    },
    '/small',
    () => {
      if (sent === 0) throw new Error('nothing was sent');
    },
  );
}

/** The work of the plugin `tracing` for a request with one attempt, except for sending spans. */
async function tracingCase(name: string, sample: number): Promise<Case> {
  const packages = await loadPackages();
  class TakingExporter extends packages.otlp.OTLPTraceExporter {
    override export(...[, done]: Parameters<SpanExporter['export']>): void {
      done({ code: 0 });
    }
  }
  const lose = (): never => fail('a span was dropped');
  const counters = { queue: { inc: lose }, export: { inc: lose }, stop: { inc: lose } };
  const dropped = new DroppedSpans({ log: { warn: lose }, clock: systemClock, counters });
  const exporter = { headers: {}, interval: 5_000, queue: 1_000_000 };
  const queue = new SpanQueue(
    { ...packages, otlp: { OTLPTraceExporter: TakingExporter } },
    { exporter },
    {},
    { clock: systemClock, dropped, exported: { inc: () => {} } },
  );
  const tracer = new Tracing({
    api: packages.api,
    clock: systemClock,
    ids: new TraceIds(sample),
    queue,
    query: undefined,
    isTrusted: () => false,
  });
  let sent = 0;
  return servedCase(
    name,
    ctx => {
      tracer.begin(ctx);
      stateOf(ctx).editAttempt();
      tracer.beginAttempt(ctx);
      tracer.finish(ctx);
      // As the wire does.
      const { edited, addedLines } = stateOf(ctx);
      sent += Buffer.from(edited?.editedHeaders?.toLines() ?? addedLines, 'latin1').length;
    },
    '/small',
    () => {
      if (sent === 0) throw new Error('nothing was sent');
    },
  );
}

/** The work of the plugin `metrics` when an attempt and its request have ended. */
async function metricsCase(name: string): Promise<Case> {
  const side = await workerSide(metrics());
  const { attemptFinished, finished } = side.stages.plain;
  return servedCase(name, ctx => {
    attemptFinished.call(ctx);
    finished.call(ctx);
  });
}

function accessLogCase(name: string, format: string, target?: string): Case {
  let made = 0;
  const lost = new LostLines({
    log: { warn: (_: unknown, why?: string) => fail(why) },
    clock: systemClock,
    counter: { inc: () => fail('a line was lost') },
  });
  const take = (lines: string): boolean => Buffer.from(lines).length > 0;
  const buffer = new LineBuffer(new LogSink(take, lost), systemClock, lost);
  const headers = { request: ['User-Agent'], response: [] };
  const line = lineFormat({ format, headers }, new Redaction([]), systemClock);
  const end = (): void => {
    if (made === 0) throw new Error('there was no line');
  };
  const log = (ctx: ProxyContext): void => {
    const text = line(ctx);
    made += text.length;
    buffer.add(text);
  };
  return servedCase(name, log, target, end);
}

function fail(why: string | undefined): never {
  throw new Error(why);
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
