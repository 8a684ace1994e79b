// Many routes: what 10,000 routes and 1,000 pools of 10 servers add to a start and to memory, and how long changes take.
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { cpuTimeOf, memoryOf, processTree } from './accounting.ts';
import { AdminClient } from './pool-change-stream.ts';
import { freePort, stop, temporaryFolder } from './processes.ts';
import { sources, weldr } from './proxies/weldr.ts';
import { formatBytes, formatCount, formatMedian, formatTime } from './section.ts';
import { allCores } from './start-time.ts';
import { type StartedWeldr, startedWeldr } from './started-weldr.ts';
import { summarise } from './statistics.ts';
import type { Bench, Study } from './study.ts';

const routes = 10_000;
const pools = 1_000;
const serversPerPool = 10;
const workers = 2;
/** Changes of one kind after each start. */
const changes = 100;
/** The most changes of a batch. */
const batchSize = 100;
/** After this time all work of the start is done, ms. */
const restAfter = 3_000;

const command = fileURLToPath(new URL('../bin/weldr.ts', import.meta.url));
const title = `${formatCount(routes)} routes and ${formatCount(pools)} pools of ${serversPerPool} servers`;

/** Servers that get no requests, on loopback addresses. */
const serverOf = (pool: number, server: number): string =>
  `http://127.${server + 1}.${pool >> 8}.${pool & 255}:8000`;
const hostOf = (route: number): string => `h${route % pools}.example`;
const pathOf = (route: number): string => `/a${Math.floor(route / pools)}/*`;

/** The source of the routes and pools. */
type Origin = 'nowhere' | 'the config' | 'run time';

interface Variant {
  readonly label: string;
  readonly origin: Origin;
  readonly folder: string;
  readonly port: number;
  readonly adminPort: number;
}

/** The figures of one start. */
interface Measured {
  /** The time until the first response, µs. */
  readonly time: number;
  /** The CPU time of all processes until then, µs. */
  readonly cpu: number;
  /** The memory at rest, bytes. */
  readonly memory: number;
  /** From the call to the answer, µs: changes of a route's pool, of a server's weight, of 100 routes in a batch. */
  readonly route: readonly number[];
  readonly server: readonly number[];
  readonly batch: readonly number[];
}

export const manyRoutes: Study = {
  name: 'many-routes',
  quick: false,
  async run(bench) {
    const section = { name: 'many-routes', title };
    const headings = [
      '',
      'start',
      'over none',
      'CPU of it',
      'memory',
      'over none',
      'route',
      'server',
      '100 routes',
    ];
    if (!bench.proxies.includes(weldr)) {
      return {
        section: { ...section, headings: [], rows: [], notes: ['It needs weldr.'], refusals: [] },
        figures: undefined,
      };
    }
    const variants = [
      await variantOf('one route', 'nowhere'),
      await variantOf('all in the config', 'the config'),
      await variantOf('all made at run time, from the pool file', 'run time'),
    ];
    bench.progress('many-routes: making them at run time');
    await makeAll(bench, variants);
    const found = variants.map((): Measured[] => []);
    for (let round = 0; round <= bench.effort.rounds; round++) {
      for (const [index, variant] of variants.entries()) {
        bench.progress(`many-routes: round ${round} of ${bench.effort.rounds}, ${variant.label}`);
        const measured = await measure(bench, variant);
        // The first round fills the page cache and the compile cache.
        if (round > 0) found[index]?.push(measured);
      }
    }
    return {
      section: {
        ...section,
        headings,
        rows: variants.map(({ label }, index) => rowOf(label, found[index] ?? [], found[0] ?? [])),
        notes: [
          `Manager and ${workers} workers, from the sources. The changes of a route, of a server and of 100 routes by one batch are ` +
            `medians of ${changes}, ${changes} and ${changes / 10} calls of the admin API, one after another, each answered when both ` +
            'workers go by it and the pool file has it.',
        ],
        refusals: [],
      },
      figures: Object.fromEntries(variants.map(({ label }, index) => [label, found[index]])),
    };
  },
};

function rowOf(label: string, own: readonly Measured[], base: readonly Measured[]): string[] {
  const over = (of: 'time' | 'memory'): number[] =>
    own.map((one, round) => one[of] - (base[round]?.[of] ?? 0));
  const isBase = own === base;
  const change = (of: 'route' | 'server' | 'batch'): string =>
    formatMedian(summarise(own.flatMap(one => one[of])), formatTime);
  return [
    label,
    formatMedian(summarise(own.map(({ time }) => time)), formatTime),
    isBase ? '–' : formatMedian(summarise(over('time')), formatTime),
    formatMedian(summarise(own.map(({ cpu }) => cpu)), formatTime),
    formatMedian(summarise(own.map(({ memory }) => memory)), formatBytes),
    isBase ? '–' : formatMedian(summarise(over('memory')), formatBytes),
    change('route'),
    change('server'),
    change('batch'),
  ];
}

async function variantOf(label: string, origin: Origin): Promise<Variant> {
  const folder = temporaryFolder('many-routes');
  const variant = { label, origin, folder, port: await freePort(), adminPort: await freePort() };
  writeFileSync(join(folder, 'weldr.config.ts'), configOf(variant));
  return variant;
}

function configOf({ origin, port, adminPort }: Variant): string {
  const lists = `
  for (let pool = 0; pool < ${pools}; pool++) {
    pools['p' + pool] = Array.from({ length: ${serversPerPool} }, (_, server) =>
      \`http://127.\${server + 1}.\${pool >> 8}.\${pool & 255}:8000\`);
  }
  for (let route = 0; route < ${routes}; route++) {
    const pool = route % ${pools};
    list.push({ name: 'r' + route, host: \`h\${pool}.example\`, path: \`/a\${Math.floor(route / ${pools})}/*\`, pool: 'p' + pool });
  }`;
  return `
import { defineConfig } from '${sources.weldr}';
import { adminApi, poolFile, roundRobin, routes } from '${sources.plugins}';
const pools = {};
const list = [{ name: 'small', path: '/small', reply: {} }];
${origin === 'the config' ? lists : ''}
export default defineConfig({
  listen: '127.0.0.1:${port}',
  workers: ${workers},
  servers: ['http://127.0.0.1:9'],
  pools,
  plugins: [
    routes(list), roundRobin(), poolFile({ path: 'pool.json' }), adminApi({ listen: '127.0.0.1:${adminPort}' }),
  ],
});
`;
}

/** Makes the routes and pools of the variant that has them at run time, and keeps a copy of the file with them. */
async function makeAll(bench: Bench, variants: readonly Variant[]): Promise<void> {
  for (const variant of variants) {
    if (variant.origin !== 'run time') continue;
    const { running } = await start(bench, variant);
    const admin = new AdminClient(variant.adminPort);
    try {
      for (const batch of batches([...everything()]))
        await expectDone(admin, 'POST', '/batch', { changes: batch });
    } finally {
      admin.close();
      await stop(running);
    }
    copyFileSync(join(variant.folder, 'pool.json'), join(variant.folder, 'made.json'));
  }
}

function* everything(): Generator<object> {
  for (let pool = 0; pool < pools; pool++) yield { kind: 'pool', op: 'put', name: `p${pool}`, value: {} };
  for (let pool = 0; pool < pools; pool++) {
    for (let server = 0; server < serversPerPool; server++) {
      yield { kind: 'server', op: 'put', pool: `p${pool}`, value: { url: serverOf(pool, server) } };
    }
  }
  for (let route = 0; route < routes; route++) {
    const value = { host: hostOf(route), path: pathOf(route), pool: `p${route % pools}` };
    yield { kind: 'route', op: 'put', name: `r${route}`, value };
  }
}

function* batches(all: readonly object[]): Generator<readonly object[]> {
  for (let from = 0; from < all.length; from += batchSize) yield all.slice(from, from + batchSize);
}

async function start(bench: Bench, { folder, port }: Variant): Promise<StartedWeldr> {
  const args = ['-C', 'weldr-source', command, 'start', '--config', join(folder, 'weldr.config.ts')];
  return await startedWeldr(args, port, { cores: allCores(bench), cwd: folder });
}

async function measure(bench: Bench, variant: Variant): Promise<Measured> {
  if (variant.origin === 'run time') {
    copyFileSync(join(variant.folder, 'made.json'), join(variant.folder, 'pool.json'));
  }
  const { running, time } = await start(bench, variant);
  const admin = new AdminClient(variant.adminPort);
  try {
    const cpu = cpuTimeOf(processTree(running.pid)) / 1000;
    await sleep(restAfter);
    const memory = memoryOf(processTree(running.pid));
    const many = variant.origin !== 'nowhere';
    const server = new URL(many ? serverOf(7, 0) : 'http://127.0.0.1:9');
    const pool = many ? 'p7' : 'default';
    const nameOf = (n: number) => (many ? `r${n}` : 'small');
    const list = Array.from({ length: many ? batchSize : 1 }, (_, n) => nameOf(n));
    return {
      time,
      cpu,
      memory,
      route: await timed(admin, changes, n => ['PATCH', `/routes/${nameOf(5000)}`, { priority: n + 1 }]),
      server: await timed(admin, changes, n => [
        'PATCH',
        `/pools/${pool}/servers/${server.hostname}/${server.port}`,
        { weight: n + 2 },
      ]),
      batch: await timed(admin, changes / 10, n => [
        'POST',
        '/batch',
        { changes: list.map(name => ({ kind: 'route', op: 'patch', name, value: { priority: 1000 + n } })) },
      ]),
    };
  } finally {
    admin.close();
    await stop(running);
  }
}

/** Makes calls one after another. Returns how long each took, µs. */
async function timed(
  admin: AdminClient,
  times: number,
  call: (n: number) => readonly [method: string, path: string, body: object],
): Promise<number[]> {
  const taken: number[] = [];
  for (let n = 0; n < times; n++) {
    const begin = performance.now();
    await expectDone(admin, ...call(n));
    taken.push((performance.now() - begin) * 1000);
  }
  return taken;
}

async function expectDone(admin: AdminClient, method: string, path: string, body: object): Promise<void> {
  if (!(await admin.send(method, path, body))) throw new Error(`${method} ${path} failed`);
}
