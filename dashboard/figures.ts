// `npm run bench:dashboard`: the CPU that open dashboards cost a Weldr with 1,000 servers, and the time until the page is painted.
//   node -C weldr-source dashboard/figures.ts [--seconds 60] [--pages 10]
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { buildPage, startBrowser } from '../test/support/browser.ts';
import { startWeldr } from '../test/support/weldr.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, pages: { type: 'string', default: '10' } },
});
const servers = 1000;
const loads = 20;
/** Requests per second: each server gets one every four seconds, so it changes in half of all steps. */
const rate = 250;

// One origin at a thousand addresses of the loopback network.
const origin = createServer((_request, response) => void response.end('ok'));
await new Promise<void>(resolve => void origin.listen(0, '0.0.0.0', resolve));
const address = origin.address();
const port = typeof address === 'object' && address !== null ? address.port : 0;
const list = Array.from({ length: servers }, (_, at) => `http://127.1.${at >> 8}.${at & 255}:${port}`);
// A browser opens at most six connections to a host, so each page has its own host.
const hosts = Array.from({ length: Number(values.pages) }, (_, at) => `p${at}.localhost`);
const config = `
  import { defineConfig } from 'weldr';
  import { adminApi, dashboard, roundRobin, stats } from 'weldr/plugins';
  export default defineConfig({
    listen: '127.0.0.1:0', workers: 1, pools: { many: ${JSON.stringify(list)} },
    plugins: [
      { name: 'to-many', worker: ({ hooks, pools }) => hooks.route.tap('to-many', () => pools.get('many')) },
      roundRobin(), stats(), adminApi({ listen: '127.0.0.1:0', hosts: ${JSON.stringify(hosts)} }), dashboard(),
    ],
  });`;

buildPage();
const [weldr, browser] = await Promise.all([startWeldr({ config }), startBrowser()]);
const over = new AbortController();
const load = send(weldr.url, over.signal);
try {
  await sleep(15_000);
  await paint(`${weldr.adminUrl}/ui/`);
  await cost('0 pages');
  const context = await browser.newContext();
  for (const name of ['servers', 'overview']) {
    const pages = await Promise.all(Array.from({ length: Number(values.pages) }, () => context.newPage()));
    for (const [at, page] of pages.entries()) {
      await page.goto(`${weldr.adminUrl.replace('127.0.0.1', hosts[at] ?? '')}/ui/#/${name}`);
      await page.getByText('Live', { exact: true }).waitFor();
    }
    await sleep(10_000);
    await cost(`${values.pages} pages of ${name}`);
    for (const page of pages) await page.close();
  }
} finally {
  over.abort();
  await load;
  await browser.close();
  await weldr.stop();
  origin.close();
  origin.closeAllConnections();
}

/** Prints the CPU of the manager and its worker, in percent of one core. */
async function cost(what: string): Promise<void> {
  const pids = [weldr.pid, ...weldr.workers()];
  const before = pids.map(cpuMs);
  const begun = performance.now();
  await sleep(Number(values.seconds) * 1000);
  const passed = performance.now() - begun;
  const [manager = 0, worker = 0] = pids.map((pid, at) => ((cpuMs(pid) - (before[at] ?? 0)) / passed) * 100);
  process.stdout.write(`${what}: manager ${manager.toFixed(1)} %, worker ${worker.toFixed(1)} % of a core\n`);
}

/** Returns the CPU time of a process and its threads, ms; the clock of /proc has 100 ticks per second. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Prints when the first text was painted, and the largest, which is the overview itself. */
async function paint(url: string): Promise<void> {
  const first: number[] = [];
  const largest: number[] = [];
  for (let at = 0; at < loads; at++) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(url);
    await page.getByText('Live', { exact: true }).waitFor();
    const painted = 'performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN';
    first.push(Number(await page.evaluate(painted)));
    const last = `new Promise(resolve => new PerformanceObserver(list => resolve(list.getEntries().at(-1).startTime))
      .observe({ type: 'largest-contentful-paint', buffered: true }))`;
    largest.push(Number(await page.evaluate(last)));
    await context.close();
  }
  tell('first contentful paint', first);
  tell('largest contentful paint', largest);
}

function tell(what: string, all: readonly number[]): void {
  const [least = 0, median = 0, most = 0] = [0, loads / 2, loads - 1].map(
    at => all.toSorted((one, other) => one - other)[at],
  );
  process.stdout.write(
    `${what} of ${loads} loads: median ${median.toFixed(0)} ms, least ${least.toFixed(0)} ms, most ${most.toFixed(0)} ms\n`,
  );
}

async function send(url: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const burst = Array.from({ length: rate / 10 }, async () => await (await fetch(url)).arrayBuffer());
    await Promise.all([...burst, sleep(100)]);
  }
}
