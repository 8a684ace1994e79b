// A Weldr with pools, load and a server that is down, for the dashboard's screenshots and for working on it.
//   node -C weldr-source dashboard/scene.ts [--servers 1000] [--token TOKEN]
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startTestOrigin, type TestOrigin } from '../bin/test-origin.ts';
import { startWeldr, type TestWeldr } from '../test/support/weldr.ts';

export interface Scene {
  readonly weldr: TestWeldr;
  /** The address of the page. */
  readonly url: string;
  /** Kills a server, and drains another. */
  spoil(): Promise<void>;
  close(): Promise<void>;
}

export interface SceneOptions {
  /** The number of additional servers, which get no requests. */
  readonly servers?: number;
  readonly token?: string;
}

/** Starts the servers, Weldr and the load. */
export async function startScene({ servers = 0, token }: SceneOptions = {}): Promise<Scene> {
  const origins: TestOrigin[] = [];
  const start = async (): Promise<string> => {
    const origin = await startTestOrigin('127.0.0.1', 0);
    origins.push(origin);
    return `http://127.0.0.1:${origin.port}`;
  };
  const startAll = async (count: number): Promise<string[]> =>
    await Promise.all(Array.from({ length: count }, start));
  const [shop, api, images] = await Promise.all([startAll(4), startAll(6), startAll(2)]);
  const more = Array.from({ length: servers }, (_, at) => `http://10.1.${at >> 8}.${at & 255}:3000`);
  const weldr = await startWeldr({
    workers: 2,
    config: configOf({ default: shop, api, images, ...(servers > 0 && { many: more }) }, token),
  });
  const load = new AbortController();
  const loads = [0, 1, 2, 3, 4, 5].map(lane => send(weldr.url, lane, load.signal));
  return {
    weldr,
    url: `${weldr.adminUrl}/ui/`,
    async spoil() {
      await origins.at(-4)?.close();
      const drained = new URL(api[0] ?? '');
      await fetch(`${weldr.adminUrl}/pools/api/servers/${drained.hostname}/${drained.port}`, {
        method: 'PATCH',
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
        body: '{"state":"draining"}',
      });
    },
    async close() {
      load.abort();
      await Promise.all(loads);
      await weldr.stop();
      await Promise.allSettled(origins.map(origin => origin.close()));
    },
  };
}

function configOf(pools: Readonly<Record<string, readonly string[]>>, token: string | undefined): string {
  const given = { listen: '127.0.0.1:0', ...(token !== undefined && { token }) };
  return `
    import { defineConfig } from 'weldr';
    import * as plugins from 'weldr/plugins';
    const { adminApi, compress, dashboard, healthCheck, leastRequests, metrics, requestId, retry, routes, stats } = plugins;
    export default defineConfig({
      listen: '127.0.0.1:0',
      pools: ${JSON.stringify(pools)},
      plugins: [
        routes([
          { name: 'api', path: '/api/*', pool: 'api', stripPrefix: '/api' },
          { name: 'images', path: '/images/*', pool: 'images', stripPrefix: '/images' },
        ]),
        metrics(), requestId(), compress(), leastRequests(), retry(), healthCheck({ interval: '1s', timeout: '1s', path: '/health' }), stats(),
        adminApi(${JSON.stringify(given)}), dashboard(),
      ],
    });`;
}

const paths = ['/', '/api/', '/images/large', '/api/slow?ms=40', '/', '/api/', '/large', '/slow?ms=12'];

/** Sends requests one after another, with pauses that grow and shrink over time. */
async function send(url: string, lane: number, signal: AbortSignal): Promise<void> {
  for (let at = lane; !signal.aborted; at++) {
    const path = at % 331 === 0 ? '/status/503' : paths[at % paths.length];
    try {
      const response = await fetch(`${url}${path}`, { signal });
      await response.arrayBuffer();
      await sleep(20 + 14 * Math.sin(Date.now() / 20_000) + Math.random() * 10, undefined, { signal });
    } catch {
      // The scene is closing, or a server was killed.
    }
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { servers: { type: 'string' }, token: { type: 'string' } } });
  const scene = await startScene({
    servers: Number(values.servers ?? 0),
    ...(values.token !== undefined && { token: values.token }),
  });
  process.stdout.write(`${scene.url}\n`);
  process.on('SIGUSR2', () => void scene.spoil());
  process.once('SIGINT', () => void scene.close().then(() => process.exit()));
  process.once('SIGTERM', () => void scene.close().then(() => process.exit()));
}
