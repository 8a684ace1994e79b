// `workers: 0`: both sides in one process.
import * as assert from 'uvu/assert';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('one process');

const config = (server: string, name: string) => `
import { defineConfig } from 'weldr';
import { roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 0, servers: [${JSON.stringify(server)}], via: ${JSON.stringify(name)},
  plugins: [roundRobin()],
});`;

test('proxies without a worker process, and ends on a signal', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config(origin.url, 'solo') });
  try {
    assert.is(await (await fetch(weldr.url)).text(), origin.name);
    assert.equal(weldr.workers(), []);
    assert.is(await weldr.stop(), 0);
  } finally {
    await origin.close();
  }
});

test('reloads without a lost request', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config(origin.url, 'one') });
  try {
    let running = true;
    let done = 0;
    const failures: string[] = [];
    const client = async () => {
      while (running) {
        const result = await fetch(weldr.url, { headers: { connection: 'close' } }).then(
          async answer => `${answer.status} ${await answer.text()}`,
          String,
        );
        if (result !== `200 ${origin.name}`) failures.push(result);
        done++;
      }
    };
    const clients = [client(), client()];
    weldr.writeConfig(config(origin.url, 'two'));
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg === 'reloaded');
    const after = done;
    await until('requests continue', () => done > after + 5);
    running = false;
    await Promise.all(clients);
    assert.equal(failures, []);
    const headers = JSON.parse(await (await fetch(`${weldr.url}/headers`)).text());
    assert.match(headers.via, 'two');
  } finally {
    await weldr.stop();
    await origin.close();
  }
});
