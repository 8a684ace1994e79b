// A real Prometheus that reads two Weldrs: its figures match their requests.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { startOrigin } from '../../support/origin.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { startWeldr } from '../../support/weldr.ts';

const test = suite('metrics, read by Prometheus');

const rules = fileURLToPath(new URL('../../../packaging/prometheus/weldr.rules.yml', import.meta.url));

/** The admin API keeps its port at a reload. */
const configOf = (server: string, adminPort: number): string => `
  import { defineConfig } from 'weldr';
  import { adminApi, healthCheck, metrics, passiveHealth, retry, roundRobin } from 'weldr/plugins';
  export default defineConfig({
    listen: '127.0.0.1:0',
    servers: ['${server}'],
    plugins: [roundRobin(), retry(), passiveHealth(), healthCheck(), metrics(), adminApi({ listen: '127.0.0.1:${adminPort}' })],
  });`;

async function startPrometheus(targets: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [rules],
    scrape_configs: [{ job_name: 'weldr', static_configs: [{ targets }] }],
  };
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config));
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    'prometheus',
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=${url.slice('http://'.length)}`,
    ],
    { stdio: 'ignore' },
  );
  return {
    async ask(path: string): Promise<{ data: { result: { metric: object; value: [number, string] }[] } }> {
      return JSON.parse(await (await fetch(`${url}${path}`)).text());
    },
    async stop(): Promise<void> {
      child.kill();
      await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test('has the requests of each, across a killed worker and a reload', async () => {
  const origin = await startOrigin({ name: 'o' });
  const start = async (workers: number) =>
    await startWeldr({ config: configOf(origin.url, await freePort()), workers });
  const weldrs = [await start(2), await start(1)];
  const prometheus = await startPrometheus(weldrs.map(({ adminUrl }) => adminUrl.slice('http://'.length)));
  const values = async (query: string): Promise<string[]> => {
    try {
      const { data } = await prometheus.ask(`/api/v1/query?query=${encodeURIComponent(query)}`);
      return data.result.map(({ value }) => value[1]).toSorted();
    } catch {
      return [];
    }
  };
  const until = async (query: string, wanted: readonly string[]): Promise<void> => {
    let seen: string[] = [];
    for (let tries = 0; tries < 150 && seen.join() !== wanted.join(); tries++) {
      await sleep(200);
      seen = await values(query);
    }
    assert.equal(seen, wanted, query);
  };
  try {
    const requests = 'sum by (instance) (weldr_requests_total{status="200",method="GET",pool="default"})';
    for (const [at, { url }] of weldrs.entries()) {
      for (let n = 0; n < 10 * (at + 1); n++) assert.is((await fetch(url)).status, 200);
    }
    await until('up{job="weldr"}', ['1', '1']);
    await until(requests, ['10', '20']);
    const clients = weldrs.map(({ url }) => connect({ host: '127.0.0.1', port: Number(new URL(url).port) }));
    await until('weldr_connections{side="client",protocol="h1",state="idle"} > bool 0', ['1', '1']);
    for (const client of clients) client.destroy();
    const [first, second] = weldrs;
    const [victim = 0] = first?.workers() ?? [];
    process.kill(victim, 'SIGKILL');
    await until('weldr_worker_restarts_total', ['0', '1']);
    second?.signal('SIGHUP');
    await until('weldr_config_reloads_total{result="success"}', ['0', '1']);
    for (const { url } of weldrs) assert.is((await fetch(url)).status, 200);
    await until(requests, ['11', '21']);
    await until('sum by (instance) (weldr_request_duration_seconds_count)', ['11', '21']);
    await until('sum(health_check_results_total{result="passed"}) > bool 0', ['1']);
    await until('count(count by (hash) (weldr_config_info))', ['2']);
    const { data } = await prometheus.ask('/api/v1/rules');
    assert.match(JSON.stringify(data), /"health":"ok"/);
    assert.not.match(JSON.stringify(data), /"lastError"/);
  } finally {
    await prometheus.stop();
    for (const weldr of weldrs) await weldr.stop();
    await origin.close();
  }
});
