// Events and overviews of a real Weldr under load: reloads, deaths, removed servers, and the clients that follow them.
import { spawn } from 'node:child_process';
import * as assert from 'uvu/assert';
import { at } from '../plugins/admin-api/api.ts';
import { type Followed, follow } from '../plugins/admin-api/event-client.ts';
import { startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { commandFrom, runWeldr, startWeldr } from '../support/weldr.ts';
import { startLoad } from './client-load.ts';

const test = suite('events of a running Weldr');

const config = (admin: string, servers: readonly string[], more = '') => `
import { defineConfig } from 'weldr';
import { adminApi, healthCheck, roundRobin, stats } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0', workers: 2, servers: ${JSON.stringify(servers)}, ${more}
  plugins: [
    roundRobin(), stats(), adminApi({ listen: '${admin}' }),
    healthCheck({ interval: '100ms', failures: 1, passes: 1 }),
  ],
});`;

const read = async (admin: string, path: string): Promise<unknown> =>
  await (await fetch(`http://${admin}${path}`)).json();

/** The types of a stream's events, in order. */
const typesOf = ({ messages }: Followed): unknown[] =>
  messages.flatMap(({ event, data }) => (event === 'message' ? [data['type']] : []));

test('followers under load receive every event once, over a reload, and the command prints it', async () => {
  const admin = `127.0.0.1:${await freePort()}`;
  const origins = await Promise.all([startOrigin(), startOrigin()]);
  const [one, two] = origins;
  const text = config(admin, [one.url, two.url]);
  const weldr = await startWeldr({ config: text });
  const load = startLoad(`${weldr.url}/`, 4);
  const followers = await Promise.all(Array.from({ length: 10 }, () => follow(admin, '/events?overview')));
  const command = spawn(process.execPath, [...commandFrom(), 'events', '--follow', '--json'], {
    env: { ...process.env, WELDR_ADMIN: `http://${admin}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  command.stdout.setEncoding('utf8').on('data', (piece: string) => {
    printed += piece;
  });
  try {
    const [first] = followers;
    if (first === undefined) throw new Error('there is no follower');
    await until('the command shows past events', () => /manager\.started/.test(printed));
    await two.close();
    const down = ({ data }: { data: Record<string, unknown> }) => data['to'] === 'down';
    for (const follower of followers) {
      const { data } = await follower.message(down);
      assert.equal([data['server'], data['by'], data['type']], [two.url, 'health-check', 'server.state']);
    }
    // Until checks find it down, a problem may name it for failed requests. A check which was on its way when the
    // server closed is reset, a later one refused.
    const seen = await first.message(
      ({ event, data }) =>
        event === 'overview' &&
        at(data, 'traffic.rate') !== 0 &&
        /^1 of 2 servers of default down: connection (?:refused|reset) since/.test(
          String(at(data, 'problems.0.text')),
        ),
    );
    assert.is(seen.data['status'], 'warning');
    const [killed] = weldr.workers();
    if (killed === undefined) throw new Error('no worker');
    process.kill(killed, 'SIGKILL');
    for (const follower of followers) await follower.message(({ data }) => data['type'] === 'worker.died');
    await until(
      'it is replaced',
      () => weldr.workers().length === 2 && typesOf(first).at(-1) === 'worker.ready',
    );
    weldr.writeConfig('export default { listen: 7 };');
    const failed = await fetch(`http://${admin}/reload`, { method: 'POST' });
    assert.is(failed.status, 400);
    assert.match(JSON.stringify(at(await read(admin, '/overview'), 'problems')), /the last reload failed/);
    const { data } = await first.message(({ data }) => data['type'] === 'reload.failed');
    assert.is(data['by'], '127.0.0.1');
    weldr.writeConfig(text);
    assert.is((await fetch(`http://${admin}/reload`, { method: 'POST' })).status, 200);
    await until('the streams end with the old admin API', () => followers.every(({ ended }) => ended));
    const last = [...first.messages].reverse().find(({ id }) => id !== undefined)?.id;
    const again = await follow(admin, '/events', { 'last-event-id': last ?? '' });
    await again.message(({ data }) => data['type'] === 'reload.done');
    assert.not.ok(again.messages.some(({ event }) => event === 'gap'));
    again.close();
    await until('the command continues', () => /reload\.done/.test(printed));
    const types = printed.split('\n').flatMap(line => (line === '' ? [] : [at(JSON.parse(line), 'type')]));
    for (const type of ['worker.died', 'reload.failed', 'reload.done']) {
      assert.is(types.filter(one => one === type).length, 1, `${type} once`);
    }
    const { stdout } = await runWeldr(['events', '--type', 'reload'], {
      env: { WELDR_ADMIN: `http://${admin}` },
    });
    assert.match(
      stdout,
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}error {4}reload\.failed {7}the reload failed.*\(by 127\.0\.0\.1\)$/m,
    );
    assert.match(stdout, /info {5}reload\.done/);
    const body = await read(admin, '/overview');
    assert.ok(Number(at(body, 'history.rate.length')) > 0, 'history stays over the reload');
    assert.not.match(JSON.stringify(at(body, 'problems')), /reload/);
    const bad = await runWeldr(['events', '--limit', 'many'], { env: { WELDR_ADMIN: `http://${admin}` } });
    assert.equal([bad.code, /--limit: expected a number from 1 to 1000/.test(bad.stderr)], [2, true]);
  } finally {
    command.kill();
    for (const follower of followers) follower.close();
    await load.stop();
    await weldr.stop();
    await one.close();
  }
});
