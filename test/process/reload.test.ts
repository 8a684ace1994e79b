// Reload: the new config becomes active without a lost request, or the old one stays.
import * as assert from 'uvu/assert';
import { describeError } from '../../core/errors.ts';
import { startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('reload', { timeoutMs: 900_000, testTimeoutMs: 180_000 });

interface ConfigParts {
  readonly listen?: string;
  readonly servers?: readonly string[];
  readonly answer?: string;
  readonly plugins?: string;
  readonly imports?: string;
  readonly workers?: number;
}

/** A config that replies to /version itself. */
const config = ({
  listen = '127.0.0.1:0',
  servers = [],
  answer = "'one'",
  plugins = '',
  imports = '',
  workers = 2,
}: ConfigParts) => `
import { defineConfig, reply } from 'weldr';
import { roundRobin } from 'weldr/plugins';
${imports}
export default defineConfig({
  listen: ${JSON.stringify(listen)}, servers: ${JSON.stringify(servers)}, workers: ${workers},
  plugins: [
    {
      name: 'version',
      worker({ hooks }) {
        hooks.request.tap('version', ctx => ctx.request.target === '/version' ? reply(200, ${answer}) : undefined);
      },
    },
    ${plugins}
    roundRobin(),
  ],
});`;

async function versionOf(url: string): Promise<string> {
  const response = await fetch(`${url}/version`, { headers: { connection: 'close' } });
  return await response.text();
}

/** Sends SIGHUP and returns the log's message about the result. */
async function reload(weldr: TestWeldr): Promise<string> {
  const from = weldr.logs.length;
  weldr.signal('SIGHUP');
  const record = await weldr.logged(
    ({ msg }) => msg === 'reloaded' || msg.startsWith('the reload changed nothing'),
    { from },
  );
  return record.msg;
}

test('makes a new config active and ends the old workers', async () => {
  const weldr = await startWeldr({ config: config({}) });
  try {
    const before = weldr.workers();
    weldr.writeConfig(config({ answer: "'two'" }));
    assert.is(await reload(weldr), 'reloaded');
    assert.is(await versionOf(weldr.url), 'two');
    await until('the old workers have ended', () => !before.some(isRunning));
    assert.is(weldr.workers().length, 2);
  } finally {
    await weldr.stop();
  }
});

test('reads the modules that the config imports again, in workers and in the manager', async () => {
  const module = (text: string) => `export const text = '${text}';`;
  const parts: ConfigParts = {
    imports: "import { text } from './text.ts';",
    answer: 'text',
    plugins: "{ name: 'teller', manager({ log }) { log.info('manager has ' + text); } },",
  };
  const weldr = await startWeldr({ config: config(parts), files: { 'text.ts': module('old') } });
  try {
    for (const text of ['new', 'newer']) {
      weldr.write('text.ts', module(text));
      assert.is(await reload(weldr), 'reloaded');
      assert.is(await versionOf(weldr.url), text);
      await weldr.logged(({ msg }) => msg === `manager has ${text}`);
    }
  } finally {
    await weldr.stop();
  }
});

test('changes nothing and says why when the new config is not valid', async () => {
  const weldr = await startWeldr({ config: config({}) });
  try {
    const before = weldr.workers();
    weldr.writeConfig(config({}).replace('listen:', "timeouts: { connect: 'soon' }, listen:"));
    assert.match(
      await reload(weldr),
      'weldr.config.mjs: timeouts.connect: expected a duration such as "30s", got "soon"',
    );
    assert.is(await versionOf(weldr.url), 'one');
    assert.equal(weldr.workers(), before);
  } finally {
    await weldr.stop();
  }
});

test('that fails for a syntax error in TypeScript gives its reason as one line', async () => {
  const admin = `127.0.0.1:${await freePort()}`;
  const imports = "import { adminApi } from 'weldr/plugins';";
  const text = config({ imports, plugins: `adminApi({ listen: '${admin}' }),` });
  const name = 'weldr.config.ts';
  const weldr = await startWeldr({ config: '', files: { [name]: text }, args: ['--config', name] });
  try {
    weldr.write(name, text.replace('listen:', 'drainTimeout: 1 listen:'));
    assert.match(await reload(weldr), 'a comma is missing before this, or a closing ), ] or }\n');
    const events = await (await fetch(`http://${admin}/events?type=reload.failed`)).text();
    assert.match(
      events,
      /"reason":"weldr\.config\.ts:\d+:\d+: a comma is missing before this, or a closing \), \] or \}"/,
    );
  } finally {
    await weldr.stop();
  }
});

test('changes nothing when a worker side of the new config fails', async () => {
  const weldr = await startWeldr({ config: config({}) });
  try {
    const before = weldr.workers();
    weldr.writeConfig(config({ plugins: "{ name: 'failing', worker() { throw new Error('no luck'); } }," }));
    assert.match(await reload(weldr), 'plugin failing did not start: no luck');
    assert.is(await versionOf(weldr.url), 'one');
    assert.equal(weldr.workers().sort(), before.sort());
  } finally {
    await weldr.stop();
  }
});

test('starts the old manager sides again when a new one fails', async () => {
  const witness = (text: string) =>
    `{ name: 'witness', manager({ log, onClose }) { log.info('${text} starts'); onClose(() => log.info('${text} closes')); } },`;
  const weldr = await startWeldr({ config: config({ plugins: witness('old') }) });
  try {
    const before = weldr.workers();
    const failing = "{ name: 'failing', manager() { throw new Error('no disk'); } },";
    weldr.writeConfig(config({ answer: "'two'", plugins: witness('new') + failing }));
    assert.match(await reload(weldr), 'plugin failing did not start: no disk');
    assert.is(await versionOf(weldr.url), 'one');
    assert.equal(weldr.workers().sort(), before.sort());
    const told = weldr.logs.map(({ msg }) => msg).filter(msg => /^(old|new) (starts|closes)$/.test(msg));
    assert.equal(told, ['old starts', 'old closes', 'new starts', 'new closes', 'old starts']);
  } finally {
    await weldr.stop();
  }
});

test('loses no request under load, and finishes those in flight with the old config', async () => {
  const origin = await startOrigin();
  const weldr = await startWeldr({ config: config({ servers: [origin.url] }) });
  try {
    const slow = fetch(`${weldr.url}/slow?ms=1500`);
    let running = true;
    let done = 0;
    const failures: string[] = [];
    const client = async (headers: Record<string, string>) => {
      while (running) {
        try {
          const response = await fetch(`${weldr.url}/`, { headers });
          await response.text();
          if (response.status !== 200) failures.push(String(response.status));
        } catch (thrown) {
          failures.push(describeError(thrown));
        }
        done++;
      }
    };
    const clients = [
      client({}),
      client({}),
      client({ connection: 'close' }),
      client({ connection: 'close' }),
    ];
    for (let i = 0; i < 3; i++) assert.is(await reload(weldr), 'reloaded');
    running = false;
    await Promise.all(clients);
    assert.equal(failures, []);
    assert.ok(done > 20, `${done} requests`);
    assert.is(await (await slow).text(), origin.name);
  } finally {
    await weldr.stop();
    await origin.close();
  }
});

test('listens on a new address, and leaves an old one when its workers have drained', async () => {
  const [first, second] = [await freePort(), await freePort()];
  const weldr = await startWeldr({ config: config({ listen: `127.0.0.1:${first}` }) });
  try {
    weldr.writeConfig(config({ listen: `127.0.0.1:${second}`, answer: "'two'" }));
    assert.is(await reload(weldr), 'reloaded');
    assert.is(await versionOf(`http://127.0.0.1:${second}`), 'two');
    await until('the old address is closed', async () => {
      return await versionOf(`http://127.0.0.1:${first}`).then(
        () => false,
        () => true,
      );
    });
  } finally {
    await weldr.stop();
  }
});

test('changes nothing when a new address is taken', async () => {
  const weldr = await startWeldr({ config: config({}) });
  const other = await startOrigin();
  try {
    weldr.writeConfig(config({ listen: `127.0.0.1:${other.port}`, answer: "'two'" }));
    assert.match(await reload(weldr), `cannot listen on 127.0.0.1:${other.port}: the port is taken`);
    assert.is(await versionOf(weldr.url), 'one');
  } finally {
    await weldr.stop();
    await other.close();
  }
});

test('takes servers in and out with the config, and keeps a verdict on one that stays', async () => {
  const [a, b, c] = [await startOrigin(), await startOrigin(), await startOrigin()];
  const judge = (complain: boolean) => `{
    name: 'judge',
    manager({ pools }) {
      pools.observe({ defined: entry => {
        if (${complain} && entry.upstream.id === '${a.url}') pools.verdict('default', entry.upstream.id, 'ill');
      } });
    },
  },`;
  const weldr = await startWeldr({ config: config({ servers: [a.url, b.url], plugins: judge(true) }) });
  try {
    weldr.writeConfig(config({ servers: [a.url, c.url], plugins: judge(false) }));
    assert.is(await reload(weldr), 'reloaded');
    const names = new Set<string>();
    for (let i = 0; i < 10; i++) names.add(await (await fetch(weldr.url)).text());
    assert.equal([...names], [c.name]);
  } finally {
    await weldr.stop();
    await Promise.all([a, b, c].map(origin => origin.close()));
  }
});

test('forgets the verdicts of a plugin that is no longer in the config', async () => {
  const origin = await startOrigin();
  const judge = `{
    name: 'judge',
    manager({ pools }) {
      pools.observe({ defined: entry => pools.verdict('default', entry.upstream.id, 'ill') });
    },
  },`;
  const weldr = await startWeldr({ config: config({ servers: [origin.url], plugins: judge }) });
  try {
    // A separate connection: one that was idle for a second may be closed by the drain while it is reused.
    const status = async () => (await fetch(weldr.url, { headers: { connection: 'close' } })).status;
    assert.is(await status(), 503);
    weldr.writeConfig(config({ servers: [origin.url] }));
    assert.is(await reload(weldr), 'reloaded');
    assert.is(await status(), 200);
  } finally {
    await weldr.stop();
    await origin.close();
  }
});

test('that fails leaves no verdicts or discovered servers of its plugins', async () => {
  const [origin, found] = [await startOrigin(), await startOrigin()];
  const meddler = `{
    name: 'meddler',
    manager({ pools }) {
      pools.source('meddler').replace('default', ['${found.url}']);
      pools.verdict('default', '${origin.url}', 'ill');
    },
  },
  { name: 'failing', manager() { throw new Error('no disk'); } },`;
  const weldr = await startWeldr({ config: config({ servers: [origin.url] }) });
  try {
    weldr.writeConfig(config({ servers: [origin.url], plugins: meddler }));
    assert.match(await reload(weldr), 'plugin failing did not start: no disk');
    for (let i = 0; i < 4; i++) assert.is(await (await fetch(weldr.url)).text(), origin.name);
  } finally {
    await weldr.stop();
    await Promise.all([origin.close(), found.close()]);
  }
});

test('is done only when no old worker accepts connections', async () => {
  const weldr = await startWeldr({ config: config({ workers: 1 }) });
  const [old = weldr.pid] = weldr.workers();
  const reloaded = () => weldr.logs.some(({ msg }) => msg === 'reloaded');
  try {
    process.kill(old, 'SIGSTOP');
    weldr.writeConfig(config({ workers: 1, answer: "'two'" }));
    weldr.signal('SIGHUP');
    await until('the new worker answers', async () => (await versionOf(weldr.url)) === 'two');
    assert.not(reloaded());
    process.kill(old, 'SIGCONT');
    await weldr.logged(({ msg }) => msg === 'reloaded');
  } finally {
    if (isRunning(old)) process.kill(old, 'SIGCONT');
    await weldr.stop();
  }
});

test('finishes without an old worker that does not react, and logs it', async () => {
  const weldr = await startWeldr({ config: config({ workers: 1 }) });
  const [old = weldr.pid] = weldr.workers();
  try {
    process.kill(old, 'SIGSTOP');
    weldr.writeConfig(config({ workers: 1, answer: "'two'" }));
    assert.is(await reload(weldr), 'reloaded');
    // On a slow machine the worker is found to hang, and killed, before the reload is done with it.
    const said = ['an old worker does not react', 'the worker hangs'];
    assert.ok(weldr.logs.some(({ msg }) => said.some(beginning => msg.startsWith(beginning))));
    assert.is(await versionOf(weldr.url), 'two');
  } finally {
    if (isRunning(old)) process.kill(old, 'SIGCONT');
    await weldr.stop();
  }
});

test('happens automatically with --watch, for the config and its imports, and logs which file changed', async () => {
  const module = (text: string) => `export const text = '${text}';`;
  const watched = (text: string) =>
    config({ imports: "import { text } from './text.ts';", answer: `text + ${JSON.stringify(text)}` });
  const weldr = await startWeldr({
    config: watched(' one'),
    files: { 'text.ts': module('old') },
    args: ['--watch'],
  });
  const answers = (text: string) => until(text, async () => (await versionOf(weldr.url)) === text, 20_000);
  try {
    assert.is(await versionOf(weldr.url), 'old one');
    weldr.writeConfig(watched(' two'));
    await answers('old two');
    weldr.write('text.ts', module('new'));
    await answers('new two');
    weldr.write('text.ts', 'export const text = ;');
    const failed = await weldr.logged(({ msg }) => msg.startsWith('the reload changed nothing'));
    assert.is(await versionOf(weldr.url), 'new two');
    assert.equal(
      [...weldr.logs.filter(({ msg }) => msg === 'reloaded'), failed].map(({ by }) => by),
      ['a change of weldr.config.mjs', 'a change of text.ts', 'a change of text.ts'],
    );
  } finally {
    await weldr.stop();
  }
});

for (const workers of [0, 2]) {
  test(`reloads modules with a context slot, with ${workers} workers, by SIGHUP, the admin API and --watch`, async () => {
    const slots = (text: string) => `
      import { contextSlot } from 'weldr';
      export const text = '${text}';
      export const slot = contextSlot('test.slot');`;
    const keeper = `{
      name: 'keeper',
      worker({ hooks }) { hooks.request.tap('keeper', ctx => { ctx.set(slot, text); return undefined; }); },
    },`;
    const base = config({
      imports: "import { slot, text } from './slots.ts';",
      answer: 'ctx.get(slot)',
      workers,
    });
    const admin = `127.0.0.1:${await freePort()}`;
    const weldr = await startWeldr({
      config: base
        .replace('import { roundRobin }', 'import { adminApi, roundRobin }')
        .replace('plugins: [', `plugins: [${keeper} adminApi({ listen: '${admin}' }),`),
      files: { 'slots.ts': slots('one') },
      args: ['--watch'],
    });
    const ways = [
      () => reload(weldr),
      async () => (await fetch(`http://${admin}/reload`, { method: 'POST' })).text(),
      async () => (await runWeldr(['reload', '--admin-url', `http://${admin}`])).stdout,
      () => undefined,
    ];
    try {
      assert.is(await versionOf(weldr.url), 'one');
      for (const [index, way] of ways.entries()) {
        weldr.write('slots.ts', slots(`after ${index}`));
        await way();
        await until(
          `reload ${index}`,
          async () => (await versionOf(weldr.url).catch(() => '')) === `after ${index}`,
          20_000,
        );
      }
      assert.not.ok(weldr.logs.some(({ msg }) => msg.startsWith('the reload changed nothing')));
    } finally {
      await weldr.stop();
    }
  });
}

test('runs after another that is under way', async () => {
  const weldr = await startWeldr({ config: config({}) });
  try {
    weldr.writeConfig(config({ answer: "'two'" }));
    weldr.signal('SIGHUP');
    await until('new workers start', () => weldr.workers().length > 2);
    weldr.writeConfig(config({ answer: "'three'" }));
    weldr.signal('SIGHUP');
    await until('both are done', () => weldr.logs.filter(({ msg }) => msg === 'reloaded').length === 2);
    assert.is(await versionOf(weldr.url), 'three');
  } finally {
    await weldr.stop();
  }
});
