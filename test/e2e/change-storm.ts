// ChangeStorm: a Weldr whose routes and pools change constantly during requests over HTTP/1.1 and HTTP/2.
import { rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { isRunning } from '../support/processes.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';
import { RuleHistory } from './rule-history.ts';
import { RuleLoad } from './rule-load.ts';

/** The number of changes. */
export interface StormSize {
  /** Changes of single routes: put, patched and deleted. */
  readonly routeChanges: number;
  /** Pools that are created, used and removed. */
  readonly pools: number;
  /** Blue/green switches of two routes by one batch. */
  readonly switches: number;
}

/** Routes that change in parallel. */
const lanes = ['l0', 'l1', 'l2', 'l3'];
const colours = ['blue', 'green'];
/** How often a call is tried while the admin API is unavailable, 20 ms apart. */
const mostTries = 1_500;
const noRule = 'none from default';

/** Answers at once, or after the `ms` of the query. */
const handle: RequestListener = ({ url = '' }, response) => {
  const ms = Number(new URLSearchParams(url.split('?')[1]).get('ms') ?? 0);
  if (ms === 0) response.end('here');
  else setTimeout(() => response.end('here'), ms);
};

/** A Weldr with two workers and a load; `end` when done. */
export class ChangeStorm {
  readonly history = new RuleHistory();
  readonly weldr: TestWeldr;
  readonly text: string;
  readonly load: RuleLoad;
  private readonly origins: readonly Origin[];
  private readonly successors: number[] = [];

  private constructor(weldr: TestWeldr, text: string, origins: readonly Origin[]) {
    this.weldr = weldr;
    this.text = text;
    this.origins = origins;
    for (const lane of lanes) this.history.begin(lane, noRule);
    for (const route of ['shop', 'cart']) this.history.begin(route, `${route}-0 from blue`);
    this.history.begin('passing', noRule);
    const rules = [...lanes, 'shop', 'cart', 'passing'];
    // Slow requests are in flight while their destination changes.
    const paths = rules.flatMap(rule => [
      [`/${rule}/x`, rule] as const,
      [`/${rule}/slow?ms=15`, rule] as const,
    ]);
    const { url } = weldr;
    this.load = new RuleLoad({ url, history: this.history, paths: Object.fromEntries(paths) });
  }

  /** `store`: a plugin that keeps what operators change, with a trailing comma; empty: only the process knows it. */
  static async start(store = "poolFile({ path: 'pool.json' }),"): Promise<ChangeStorm> {
    const origins = await Promise.all(['default', ...colours].map(name => startOrigin({ name, handle })));
    const [here, blue, green] = origins.map(({ url }) => url);
    const route = (name: string) =>
      `{ name: '${name}', path: '/${name}/*', pool: 'blue', responseHeaders: { set: { 'X-Rule': '${name}-0' } } }`;
    const text = `
      import { defineConfig } from 'weldr';
      import { adminApi, poolFile, roundRobin, routes } from 'weldr/plugins';
      export default defineConfig({
        listen: { address: '127.0.0.1:0', h2c: true }, workers: 2, servers: ['${here}'],
        pools: { blue: ['${blue}'], green: ['${green}'] },
        plugins: [
          routes([${route('shop')}, ${route('cart')}]), roundRobin(),
          ${store} adminApi({ listen: '127.0.0.1:${await freePort()}' }),
        ],
      });`;
    return new ChangeStorm(await startWeldr({ config: text }), text, origins);
  }

  /** Makes all changes of this size in parallel. Rejects when one is refused. */
  async run({ routeChanges, pools, switches }: StormSize): Promise<void> {
    const perLane = Math.ceil(routeChanges / lanes.length);
    await Promise.all([
      ...lanes.map(lane => this.changeRoute(lane, perLane)),
      this.comeAndGo(pools),
      this.switchColours(switches),
    ]);
  }

  /** Replaces the process by `POST /upgrade`. */
  async upgrade(): Promise<void> {
    const from = this.weldr.logs.length;
    await this.call('POST', '/upgrade');
    const { successor } = await this.weldr.logged(({ msg }) => msg === 'another process has taken over', {
      from,
    });
    this.successors.push(Number(successor));
  }

  async end(): Promise<void> {
    await this.load.stop();
    for (const pid of this.successors) if (isRunning(pid)) process.kill(pid, 'SIGTERM');
    await until('all processes end', () => !this.successors.some(isRunning), 60_000);
    await this.weldr.stop({ keep: true });
    rmSync(this.weldr.folder, { recursive: true, force: true });
    for (const origin of this.origins) await origin.close();
  }

  /**
   * Calls the admin API; throws for an error. While a reload or an upgrade replaces it, the call is repeated: a call whose
   * answer was lost may have made the change.
   */
  async call(method: string, path: string, body?: unknown): Promise<void> {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    for (let tries = 1; ; tries++) {
      const response = await fetch(`${this.weldr.adminUrl}${path}`, { method, ...json }).catch(
        () => undefined,
      );
      const text = await response?.text().catch(() => undefined);
      const isAway = response === undefined || text === undefined || response.status === 503;
      const isDone = response?.ok === true || (tries > 1 && response?.status === 404);
      if (isDone && !isAway) return;
      assert.ok(isAway && tries < mostTries, `${method} ${path}: ${response?.status} ${text}`);
      await sleep(20);
    }
  }

  /** Puts, patches twice and deletes one route, again and again. */
  private async changeRoute(name: string, changes: number): Promise<void> {
    for (let n = 0; n < changes; n++) {
      const pool = colours[n % 2] ?? '';
      const value = { pool, responseHeaders: { set: { 'X-Rule': `${name}-${n}` } } };
      const at = `/routes/${name}`;
      const says = n % 4 === 3 ? noRule : `${name}-${n} from ${pool}`;
      await this.history.change({ [name]: says }, async () => {
        if (n % 4 === 3) await this.call('DELETE', at);
        else if (n % 4 === 0) await this.call('PUT', at, { path: `/${name}/*`, ...value });
        else await this.call('PATCH', at, value);
      });
    }
  }

  /** Creates pools with a server and a route to it, and removes each by one batch. */
  private async comeAndGo(pools: number): Promise<void> {
    const name = 'passing';
    for (let n = 0; n < pools; n++) {
      const pool = `passing-${n}`;
      const [, origin] = this.origins;
      const value = { path: '/passing/*', pool, responseHeaders: { set: { 'X-Rule': pool } } };
      await this.history.change({ [name]: `${pool} from blue` }, () =>
        this.batch([
          { kind: 'pool', op: 'put', name: pool, value: {} },
          { kind: 'server', op: 'put', pool, value: { url: origin?.url } },
          { kind: 'route', op: 'put', name, value },
        ]),
      );
      await this.history.change({ [name]: noRule }, () =>
        this.batch([
          { kind: 'route', op: 'remove', name },
          { kind: 'server', op: 'remove', pool, url: origin?.url },
          { kind: 'pool', op: 'remove', name: pool },
        ]),
      );
    }
  }

  private async switchColours(switches: number): Promise<void> {
    for (let n = 1; n <= switches; n++) {
      const pool = colours[n % 2] ?? '';
      const says = (name: string) => `${name}-${n}`;
      const changes = ['shop', 'cart'].map(name => ({
        kind: 'route',
        op: 'patch',
        name,
        value: { pool, responseHeaders: { set: { 'X-Rule': says(name) } } },
      }));
      const rules = { shop: `${says('shop')} from ${pool}`, cart: `${says('cart')} from ${pool}` };
      await this.history.change(rules, () => this.batch(changes));
    }
  }

  private async batch(changes: readonly object[]): Promise<void> {
    await this.call('POST', '/batch', { changes });
  }
}
