// Listening on unix sockets: who owns the file, who may connect, and that no connection is lost.
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { askUnix, socketFolder } from '../support/unix-origin.ts';
import { until } from '../support/until.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('listening on unix sockets', { timeoutMs: 300_000 });

type Entry = string | { readonly address: string; readonly mode?: string };

/** A config that replies to everything itself, with the client's address. */
const config = (listen: readonly Entry[], { workers = 2, more = '' } = {}) => `
import { defineConfig, reply } from 'weldr';
import { roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: ${JSON.stringify(listen)}, workers: ${workers}, ${more}
  plugins: [{ name: 'echo', worker({ hooks }) {
    hooks.request.tap('echo', ctx => reply(200, ctx.clientIp + ' ' + ctx.localPort + ' ' + ctx.listener));
  } }, roundRobin()],
});`;

/** Calls `body` with a path for a socket and its folder, which is removed afterwards. */
async function inFolder(body: (path: string, folder: string) => Promise<void>): Promise<void> {
  const folder = socketFolder();
  try {
    await body(join(folder, 'http.sock'), folder);
  } finally {
    chmodSync(folder, 0o700);
    rmSync(folder, { recursive: true });
  }
}

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

async function reload(weldr: TestWeldr): Promise<string> {
  const from = weldr.logs.length;
  weldr.signal('SIGHUP');
  const done = ({ msg }: { msg: string }) => msg === 'reloaded' || msg.startsWith('the reload changed');
  return (await weldr.logged(done, { from })).msg;
}

/** Returns the output of a start that fails. */
async function failedStart(listen: readonly Entry[]): Promise<string> {
  const weldr = await startWeldr({ config: config(listen), noWait: true });
  assert.is(await weldr.exited, 1);
  await weldr.stop();
  return weldr.output;
}

for (const workers of [0, 2]) {
  test(`takes requests beside TCP with ${workers} workers, and removes the file at the stop`, async () => {
    await inFolder(async (path, folder) => {
      const weldr = await startWeldr({ config: config(['127.0.0.1:0', `unix:${path}`], { workers }) });
      const record = await weldr.logged(({ msg }) => msg === 'listening');
      assert.equal(record['listen'], [weldr.url.slice('http://'.length), `unix:${path}`]);
      assert.is((await askUnix(path)).body, `unix: 0 unix:${path}`);
      assert.match(await (await fetch(weldr.url)).text(), '127.0.0.1 ');
      assert.equal(readdirSync(folder), ['http.sock']);
      assert.is(await weldr.stop(), 0);
      assert.equal(readdirSync(folder), []);
    });
  });
}

test("sets the file's mode before the file is visible, and a new mode at a reload", async () => {
  await inFolder(async path => {
    const address = `unix:${path}`;
    const weldr = await startWeldr({ config: config([{ address, mode: '660' }]) });
    try {
      assert.is(modeOf(path), '660');
      const { ino } = lstatSync(path);
      weldr.writeConfig(config([{ address, mode: '600' }]));
      assert.is(await reload(weldr), 'reloaded');
      assert.is(modeOf(path), '600');
      assert.is(lstatSync(path).ino, ino);
    } finally {
      await weldr.stop();
    }
  });
});

test('takes over the file of a Weldr that was killed', async () => {
  await inFolder(async (path, folder) => {
    const text = config([`unix:${path}`]);
    const killed = await startWeldr({ config: text });
    await killed.kill();
    assert.ok(existsSync(path));
    const weldr = await startWeldr({ config: text });
    assert.is((await askUnix(path)).status, 200);
    assert.equal(readdirSync(folder), ['http.sock']);
    await weldr.stop();
    assert.not.ok(existsSync(path));
  });
});

test('one of two that start at once over a stale file takes it over, and the other reports it', async () => {
  await inFolder(async (path, folder) => {
    const text = config([`unix:${path}`], { workers: 1 });
    await (await startWeldr({ config: text })).kill();
    const both = await Promise.all([1, 2].map(() => startWeldr({ config: text, noWait: true })));
    const failed = await Promise.race(
      both.map(async weldr => {
        await weldr.exited;
        return weldr;
      }),
    );
    assert.match(failed.output, `cannot listen on unix:${path}: it is in use by another process; stop that`);
    const [winner] = both.filter(weldr => weldr !== failed);
    await winner?.logged(({ msg }) => msg === 'listening');
    assert.is((await askUnix(path)).status, 200);
    for (const weldr of both) await weldr.stop();
    assert.equal(readdirSync(folder), []);
  });
});

test('leaves alone any file that is not a stale socket, and says what to do', async () => {
  await inFolder(async (path, folder) => {
    const holder = createServer(socket => socket.destroy()).listen(path);
    await once(holder, 'listening');
    const { ino } = lstatSync(path);
    assert.match(
      await failedStart([`unix:${path}`]),
      `cannot listen on unix:${path}: it is in use by another process; stop that, or listen on another path`,
    );
    assert.is(lstatSync(path).ino, ino);
    holder.close();
    await once(holder, 'close');

    writeFileSync(path, 'precious');
    assert.match(await failedStart([`unix:${path}`]), 'there is a file of that name, which is left alone');
    assert.is(readFileSync(path, 'utf8'), 'precious');
    renameSync(path, join(folder, 'target'));
    symlinkSync(join(folder, 'target'), path);
    assert.match(await failedStart([`unix:${path}`]), 'there is a symbolic link of that name');
    rmSync(path);
    mkdirSync(path);
    assert.match(await failedStart([`unix:${path}`]), 'there is a folder of that name');
    assert.equal(readdirSync(folder).sort(), ['http.sock', 'target']);
  });
});

test('says what is wrong with a folder that cannot hold the file', async () => {
  await inFolder(async (path, folder) => {
    const missing = join(folder, 'missing/http.sock');
    assert.match(
      await failedStart([`unix:${missing}`]),
      `cannot listen on unix:${missing}: there is no folder ${join(folder, 'missing')}; create it`,
    );
    writeFileSync(path, '');
    assert.match(await failedStart([`unix:${join(path, 'a')}`]), `${path} is not a folder`);
    rmSync(path);
    if (process.getuid?.() === 0) return;
    chmodSync(folder, 0o500);
    assert.match(await failedStart([`unix:${path}`]), `this user may not write to ${folder}; allow it`);
  });
});

test('a start that fails elsewhere leaves no file', async () => {
  await inFolder(async (path, folder) => {
    const held = createServer().listen(0, '127.0.0.1');
    await once(held, 'listening');
    const address = held.address();
    const port = typeof address === 'object' ? address?.port : 0;
    assert.match(await failedStart([`unix:${path}`, `127.0.0.1:${port}`]), 'the port is taken');
    assert.match(await failedStart([`unix:${path}`, `unix:${folder}/no/a`]), 'there is no folder');
    assert.equal(readdirSync(folder), []);
    held.close();
  });
});

test('a file that another process has put in its place stays at the stop', async () => {
  await inFolder(async path => {
    const weldr = await startWeldr({ config: config([`unix:${path}`]) });
    rmSync(path);
    const other = createServer(socket => socket.destroy()).listen(path);
    await once(other, 'listening');
    await weldr.stop();
    assert.ok(existsSync(path));
    other.close();
  });
});

test('a reload keeps the file and loses no connection; a removed path disappears, an added one appears', async () => {
  await inFolder(async (path, folder) => {
    const second = join(folder, 'second.sock');
    const weldr = await startWeldr({ config: config([`unix:${path}`]) });
    let running = true;
    const asked: Promise<number>[] = [];
    const load = [1, 2, 3].map(async () => {
      while (running) {
        const answer = askUnix(path).then(({ status }) => status);
        asked.push(answer);
        await answer.catch(() => {});
      }
    });
    try {
      const { ino } = lstatSync(path);
      weldr.writeConfig(config([`unix:${path}`, `unix:${second}`]));
      assert.is(await reload(weldr), 'reloaded');
      assert.is((await askUnix(second)).status, 200);
      weldr.writeConfig(config([`unix:${path}`, `unix:${folder}/no/a`]));
      assert.match(await reload(weldr), 'there is no folder');
      assert.is((await askUnix(second)).status, 200);
      weldr.writeConfig(config([`unix:${path}`]));
      assert.is(await reload(weldr), 'reloaded');
      assert.equal(readdirSync(folder), ['http.sock']);
      assert.is(lstatSync(path).ino, ino);
      running = false;
      await Promise.all(load);
      assert.ok(asked.length > 10);
      assert.ok((await Promise.all(asked)).every(status => status === 200));
    } finally {
      running = false;
      await weldr.stop();
    }
  });
});

test('the replacement of a killed worker accepts connections', async () => {
  await inFolder(async path => {
    const weldr = await startWeldr({ config: config([`unix:${path}`], { workers: 1 }) });
    try {
      const [worker = 0] = weldr.workers();
      process.kill(worker, 'SIGKILL');
      assert.is((await askUnix(path)).status, 200);
      await until('there is another worker', () => weldr.workers().some(pid => pid !== worker));
    } finally {
      await weldr.stop();
    }
  });
});
