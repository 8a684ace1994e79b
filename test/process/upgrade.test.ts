// `weldr upgrade`: another process takes over the sockets and the state without a loss, or nothing changes.
import { chmodSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { startLoad } from '../e2e/client-load.ts';
import { startOrigin } from '../support/origin.ts';
import { freePort, isOpen } from '../support/ports.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import {
  copyProject,
  type LogRecord,
  makeFolder,
  runWeldr,
  startWeldr,
  type TestWeldr,
} from '../support/weldr.ts';

const test = suite('weldr upgrade', { timeoutMs: 240_000 });

interface ConfigParts {
  readonly listen: string;
  readonly servers: readonly string[];
  readonly workers?: number;
  readonly plugins?: string;
}

async function withAdmin(): Promise<{ admin: string; configOf: (parts: ConfigParts) => string }> {
  const admin = `127.0.0.1:${await freePort()}`;
  const configOf = ({ listen, servers, workers = 2, plugins = '' }: ConfigParts): string => `
    import { defineConfig } from 'weldr';
    import { adminApi, healthCheck, poolFile, roundRobin } from 'weldr/plugins';
    export default defineConfig({
      listen: ${listen}, workers: ${workers}, servers: ${JSON.stringify(servers)},
      plugins: [
        roundRobin(), healthCheck({ interval: '200ms', failures: 2, passes: 1000, path: '/health' }), ${plugins}
        adminApi({ listen: '${admin}' }),
      ],
    });`;
  return { admin, configOf };
}

/** Waits for the process that has taken over, by the log. */
async function successorOf(weldr: TestWeldr, from: number): Promise<number> {
  const record = await weldr.logged(({ msg }) => msg === 'another process has taken over', { from });
  return z.number().parse(record['successor']);
}

/** Ends the process that runs now, which may not be the one that was started. */
async function endAll(weldr: TestWeldr, pids: readonly number[]): Promise<void> {
  for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGTERM');
  await until('all processes end', () => !pids.some(isRunning));
  await weldr.stop();
}

const read = async (admin: string, path: string): Promise<unknown> =>
  await (await fetch(`http://${admin}${path}`)).json();

for (const workers of [0, 2]) {
  test(`replaces a version under load without a failed request, with ${workers} workers`, async () => {
    const root = copyProject();
    const origin = await startOrigin({ name: 'here' });
    const { admin, configOf } = await withAdmin();
    const weldr = await startWeldr({
      root,
      config: configOf({
        listen: "['127.0.0.1:0', 'unix:' + process.cwd() + '/http.sock']",
        servers: [origin.url],
        workers,
      }),
    });
    const pids = [weldr.pid];
    const load = startLoad(`${weldr.url}/`, 8);
    try {
      for (const version of workers === 0 ? ['7.7.7'] : ['7.7.7', '8.8.8']) {
        const from = weldr.logs.length;
        const slow = fetch(`${weldr.url}/slow?ms=1000`);
        const answered = load.answered;
        await until('the load runs', () => load.answered > answered + 200);
        const path = join(root, 'package.json');
        writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), version }));
        const { code, stdout, stderr } = await runWeldr(['upgrade'], {
          env: { WELDR_ADMIN: `http://${admin}` },
        });
        assert.equal([code, stderr], [0, '']);
        assert.match(stdout, new RegExp(`^version ${version} has taken over from version `));
        pids.push(await successorOf(weldr, from));
        assert.is(z.object({ version: z.string() }).parse(await read(admin, '/')).version, version);
        assert.is((await slow).status, 200);
        const before = load.answered;
        await until('the load continues', () => load.answered > before + 200);
        const old = pids.at(-2) ?? 0;
        await until('the old process ends', () => !isRunning(old));
        assert.is(await getUnix(join(weldr.folder, 'http.sock')), 'HTTP/1.1 200 OK');
      }
      const happened = JSON.stringify(await read(admin, '/events?type=manager.started'));
      assert.is(happened.match(/"type":"manager.started"/g)?.length, pids.length, 'what happened is kept');
      assert.is(await weldr.exited, 0);
    } finally {
      await load.stop();
      await endAll(weldr, pids);
      await origin.close();
      rmSync(root, { recursive: true });
    }
    assert.equal([load.errors, Object.keys(Object.fromEntries(load.statuses))], [[], ['200']]);
  });
}

/** Returns the status line of the answer at a unix socket. */
async function getUnix(path: string): Promise<string> {
  const socket = connect(path);
  socket.setEncoding('latin1').end('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  return text.split('\r\n')[0] ?? '';
}

test('keeps what only the process knew: servers that no store has, and which are down', async () => {
  const [listed, added] = [await startOrigin({ name: 'listed' }), await startOrigin({ name: 'added' })];
  const { admin, configOf } = await withAdmin();
  const weldr = await startWeldr({ config: configOf({ listen: "'127.0.0.1:0'", servers: [listed.url] }) });
  const pids = [weldr.pid];
  try {
    await fetch(`http://${admin}/servers`, { method: 'POST', body: JSON.stringify({ url: added.url }) });
    listed.healthStatus = 503;
    await weldr.logged(({ msg }) => msg.startsWith(`${listed.url} is down`));
    // From here on only a thousand passes in a row would make it active.
    listed.healthStatus = 200;
    await fetch(`http://${admin}/upgrade`, { method: 'POST' });
    pids.push(await successorOf(weldr, 0));
    const servers = z
      .object({ servers: z.array(z.object({ url: z.string(), state: z.string(), layer: z.string() })) })
      .parse(await read(admin, '/servers')).servers;
    assert.equal(Object.fromEntries(servers.map(({ url, state, layer }) => [url, `${state} ${layer}`])), {
      [listed.url]: 'down config',
      [added.url]: 'active api',
    });
    for (let n = 0; n < 20; n++) assert.is(await (await fetch(weldr.url)).text(), 'added');
  } finally {
    await endAll(weldr, pids);
    await listed.close();
    await added.close();
  }
});

test('applies changes made at the new process in the old workers while these take requests', async () => {
  const [listed, added] = [await startOrigin({ name: 'listed' }), await startOrigin({ name: 'added' })];
  const { admin, configOf } = await withAdmin();
  const text = configOf({ listen: "'127.0.0.1:0'", servers: [listed.url] });
  const config = (more: string) =>
    text
      .replace('roundRobin }', 'roundRobin, routes }')
      .replace('roundRobin(),', `routes([]), roundRobin(), ${more}`);
  const weldr = await startWeldr({ config: config('') });
  const pids = [weldr.pid];
  const change = async (path: string, method: string, body: object): Promise<void> => {
    const answer = await fetch(`http://${admin}${path}`, { method, body: JSON.stringify(body) });
    assert.ok(answer.ok, await answer.text());
  };
  const answers = async (path: string): Promise<string[]> => {
    const all = await Promise.all(
      Array.from({ length: 8 }, () => fetch(`${weldr.url}${path}`, { headers: { connection: 'close' } })),
    );
    return [...new Set(all.map(({ headers, status }) => headers.get('x-origin') ?? String(status)))];
  };
  try {
    // New workers that wait in their start until a file exists.
    const slow = `{ name: 'slow', async worker() {
      const { existsSync } = await import('node:fs');
      while (!existsSync('go')) await new Promise(go => setTimeout(go, 20));
    } },`;
    weldr.writeConfig(config(slow));
    const from = weldr.logs.length;
    const upgrade = fetch(`http://${admin}/upgrade`, { method: 'POST' });
    const { successor } = await weldr.logged(({ msg }) => msg === 'another process is started to take over');
    pids.push(z.number().parse(successor));
    const isAdmin = (record: LogRecord) => record['plugin'] === 'admin-api' && 'address' in record;
    await weldr.logged(isAdmin, { from });
    await change('/routes/new', 'PUT', { path: '/new', reply: { status: 418 } });
    assert.equal(await answers('/new'), ['418']);
    await change('/pools', 'POST', { name: 'more' });
    await change('/pools/more/servers', 'POST', { url: added.url });
    await change('/routes/new', 'PUT', { path: '/new', pool: 'more' });
    assert.equal(await answers('/new'), ['added']);
    writeFileSync(join(weldr.folder, 'go'), '');
    assert.is((await upgrade).status, 200);
    assert.equal(await answers('/new'), ['added']);
  } finally {
    await endAll(weldr, pids);
    await listed.close();
    await added.close();
  }
});

const failing = `{ name: 'failing', manager() { throw new Error('no disk'); } },`;
const hanging = `{ name: 'hanging', async manager() { await new Promise(() => {}); } },`;

for (const { what, change, says } of [
  { what: 'its config is not valid', change: () => 'export default { lisen: 1 }', says: /lisen/ },
  {
    what: 'a plugin does not start',
    change: (config: string) => config.replace('roundRobin(),', `roundRobin(), ${failing}`),
    says: /plugin failing did not start: no disk/,
  },
  {
    what: 'an address is taken',
    change: (config: string, taken: string) => config.replace("'127.0.0.1:0'", `['127.0.0.1:0', '${taken}']`),
    says: /cannot listen on/,
  },
]) {
  test(`changes nothing when ${what}`, async () => {
    const origin = await startOrigin({ name: 'here' });
    const { admin, configOf } = await withAdmin();
    const plugins = "poolFile({ path: 'pool.json' }),";
    const config = configOf({ listen: "'127.0.0.1:0'", servers: [origin.url], plugins });
    const weldr = await startWeldr({ config });
    const load = startLoad(`${weldr.url}/`, 4);
    try {
      weldr.writeConfig(change(config, origin.url.slice('http://'.length)));
      const answer = await fetch(`http://${admin}/upgrade`, { method: 'POST' });
      assert.is(answer.status, 409);
      const { code, detail } = z.object({ code: z.string(), detail: z.string() }).parse(await answer.json());
      assert.is(code, 'UPGRADE_FAILED');
      assert.match(
        detail,
        /^the new process ended before it served, with exit code \d+; what it said is on stderr$/,
      );
      assert.match(weldr.output, says);
      // The API works, changes are stored, and requests are answered.
      const url = 'http://127.0.0.1:9';
      const added = await fetch(`http://${admin}/servers`, {
        method: 'POST',
        body: JSON.stringify({ url, state: 'disabled' }),
      });
      assert.is(added.status, 201);
      assert.match(readFileSync(join(weldr.folder, 'pool.json'), 'utf8'), '127.0.0.1:9');
      const before = load.answered;
      await until('the load continues', () => load.answered > before + 100);
    } finally {
      await load.stop();
      await weldr.stop();
      await origin.close();
    }
    assert.equal([load.errors, Object.keys(Object.fromEntries(load.statuses))], [[], ['200']]);
  });
}

test('continues when the old process is killed after it has released everything, and stops on a signal', async () => {
  const origin = await startOrigin({ name: 'here' });
  const { admin, configOf } = await withAdmin();
  const config = configOf({ listen: "'127.0.0.1:0'", servers: [origin.url] });
  const weldr = await startWeldr({ config });
  const pids = [weldr.pid];
  try {
    // A new process that waits in its start until a file exists.
    const slow = `{ name: 'slow', async manager() {
      const { existsSync } = await import('node:fs');
      while (!existsSync('go')) await new Promise(go => setTimeout(go, 20));
    } },`;
    weldr.writeConfig(config.replace('roundRobin(),', `roundRobin(), ${slow}`));
    const upgrade = fetch(`http://${admin}/upgrade`, { method: 'POST' }).catch(() => undefined);
    const { successor } = await weldr.logged(({ msg }) => msg === 'another process is started to take over');
    pids.push(z.number().parse(successor));
    await until('the admin API of the old process is gone', async () => !(await isOpen(admin)));
    weldr.signal('SIGKILL');
    await upgrade;
    writeFileSync(join(weldr.folder, 'go'), '');
    await until('the new one serves', async () => await isOpen(admin));
    await until('it answers', async () => (await fetch(weldr.url)).status === 200);
  } finally {
    await endAll(weldr, pids);
    await origin.close();
  }
});

test('under way is cancelled when the old process stops', async () => {
  const { admin, configOf } = await withAdmin();
  const config = configOf({ listen: "'127.0.0.1:0'", servers: [] });
  const weldr = await startWeldr({ config });
  weldr.writeConfig(config.replace('roundRobin(),', `roundRobin(), ${hanging}`));
  const upgrade = fetch(`http://${admin}/upgrade`, { method: 'POST' }).catch(() => undefined);
  const { successor } = await weldr.logged(({ msg }) => msg === 'another process is started to take over');
  assert.is(await weldr.stop(), 0);
  await upgrade;
  const pid = z.number().parse(successor);
  await until('the new process ends', () => !isRunning(pid));
});

test('is refused while another one is under way, as is a reload', async () => {
  const { admin, configOf } = await withAdmin();
  const config = configOf({ listen: "'127.0.0.1:0'", servers: [] });
  const weldr = await startWeldr({ config });
  try {
    const answers = await Promise.all(
      ['/upgrade', '/upgrade', '/reload'].map(path => fetch(`http://${admin}${path}`, { method: 'POST' })),
    );
    assert.equal(answers.map(({ status }) => status).sort(), [200, 409, 409]);
  } finally {
    await endAll(weldr, [weldr.pid, await successorOf(weldr, 0)]);
  }
});

test('runs the Node that its command leads to now', async () => {
  const { admin, configOf } = await withAdmin();
  const config = configOf({ listen: "'127.0.0.1:0'", servers: [] });
  const folder = makeFolder();
  const link = join(folder, 'node');
  symlinkSync(process.execPath, link);
  const weldr = await startWeldr({ config, folder, shell: `exec ${link} "$@"` });
  const pids = [weldr.pid];
  try {
    rmSync(link);
    writeFileSync(link, `#!/bin/sh\nWHICH=new exec ${process.execPath} "$@"\n`);
    chmodSync(link, 0o755);
    assert.is((await fetch(`http://${admin}/upgrade`, { method: 'POST' })).status, 200);
    const successor = await successorOf(weldr, 0);
    pids.push(successor);
    assert.match(readFileSync(`/proc/${successor}/environ`, 'utf8'), 'WHICH=new\0');
  } finally {
    await endAll(weldr, pids);
    rmSync(folder, { recursive: true });
  }
});

test("of a container's first process is refused, with the remedy", async () => {
  const { admin, configOf } = await withAdmin();
  const weldr = await startWeldr({
    config: configOf({ listen: "'127.0.0.1:0'", servers: [] }),
    shell: 'exec unshare --pid --fork --kill-child --mount-proc "$0" "$@"',
  });
  try {
    const { code, stderr } = await runWeldr(['upgrade'], { env: { WELDR_ADMIN: `http://${admin}` } });
    assert.is(code, 1);
    assert.match(
      stderr,
      'the first process of its container, which ends with it; start a container of the new image',
    );
  } finally {
    weldr.signal('SIGKILL');
    await weldr.stop();
  }
});
