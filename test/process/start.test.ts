// Starts that fail: nothing of them stays, and the message and exit code say why.

import { once } from 'node:events';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { childrenOf } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('start');

const withPlugins = (plugins: string, more = '') => `
import { defineConfig } from 'weldr';
export default defineConfig({ listen: '127.0.0.1:0', workers: 2, ${more} plugins: [${plugins}] });`;

async function failedStart(
  config: string,
): Promise<{ code: number | string; output: string; logs: string[] }> {
  const weldr = await startWeldr({ config, noWait: true });
  const code = await weldr.exited;
  assert.equal(childrenOf(weldr.pid), []);
  await weldr.stop();
  return { code, output: weldr.output, logs: weldr.logs.map(record => record.msg) };
}

const witness = (name: string) => `{
  name: '${name}',
  manager({ log, onClose }) {
    log.info('${name} starts');
    onClose(() => log.info('${name} closes'));
  },
}`;

test('closes what had started, in reverse, when a manager side fails', async () => {
  const failing = `{
    name: 'failing',
    manager({ onClose, log }) {
      onClose(() => log.info('failing closes'));
      throw new Error('no disk');
    },
  }`;
  const { code, output, logs } = await failedStart(
    withPlugins([witness('one'), witness('two'), failing, witness('never')].join(',')),
  );
  assert.is(code, 1);
  assert.match(output, 'plugin failing did not start: no disk');
  assert.equal(logs, ['one starts', 'two starts', 'failing closes', 'two closes', 'one closes']);
});

test('fails with the reason of a worker side that fails, and closes the manager sides', async () => {
  const failing = `{ name: 'failing', async worker() { throw new Error('no luck'); } }`;
  const { code, output, logs } = await failedStart(withPlugins([witness('one'), failing].join(',')));
  assert.is(code, 1);
  assert.match(output, 'plugin failing did not start: no luck');
  assert.equal(
    logs.filter(text => text.startsWith('one ')),
    ['one starts', 'one closes'],
  );
});

test('says once why it fails, however many workers fail', async () => {
  const failing = `{ name: 'failing', worker() { throw new Error('no luck', { cause: new Error('no coin') }); } }`;
  const { code, output, logs } = await failedStart(withPlugins(failing));
  assert.is(code, 1);
  assert.is(output, 'weldr: plugin failing did not start: no luck: no coin\n');
  assert.not.match(JSON.stringify(logs), 'luck');
});

test('names the line of a mistake in a plugin', async () => {
  const failing = `{ name: 'failing', manager(side) { side.nope.here(); } }`;
  const { output } = await failedStart(withPlugins(failing));
  assert.match(
    output,
    /^weldr: plugin failing did not start: Cannot read .* \(reading 'here'\) \(weldr\.config\.mjs:3:\d+\)\n$/,
  );
});

test('shows what a plugin throws as a sentence, such as an error of OpenSSL', async () => {
  const failing = `{ name: 'failing', manager() {
    throw Object.assign(new Error('error:0480006C:PEM routines::no start line'), { code: 'ERR_OSSL_PEM_NO_START_LINE' });
  } }`;
  const { output } = await failedStart(withPlugins(failing));
  assert.is(output, 'weldr: plugin failing did not start: this is not PEM, which begins with -----BEGIN\n');
});

test('says which of its own listeners has a port already', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  holder.close();
  const listen = `['127.0.0.1:${port}', 'localhost:${port}']`;
  const { code, output } = await failedStart(withPlugins('').replace("'127.0.0.1:0'", listen));
  assert.is(code, 1);
  assert.is(
    output,
    `weldr: cannot listen on localhost:${port}: 127.0.0.1:${port} of the same config already has the port; take one of them out of listen\n`,
  );
});

test('says that this machine does not have an address', async () => {
  const { code, output } = await failedStart(withPlugins('').replace('127.0.0.1:0', '192.0.2.1:8080'));
  assert.is(code, 1);
  assert.is(
    output,
    'weldr: cannot listen on 192.0.2.1:8080: this machine has no such address; choose one that `ip address` lists, or 0.0.0.0 for all\n',
  );
});

test('logs a setting that is probably a mistake, once', async () => {
  const weldr = await startWeldr({
    config: withPlugins('', "servers: [{ url: 'https://127.0.0.1:1', tls: { verify: false } }],").replace(
      'plugins: []',
      "plugins: [{ name: 'first', role: 'balancer', worker({ hooks, pools }) { hooks.selectUpstream.tap('first', () => [...pools.default][0]); } }]",
    ),
  });
  try {
    const said = weldr.logs.filter(({ msg }) => msg.includes('tls.verify'));
    assert.equal(
      said.map(({ level, msg }) => [level, msg.split(';')[0]]),
      [
        [
          40,
          'weldr.config.mjs: servers[0].tls.verify: without it, anyone on the network path can pose as https://127.0.0.1:1',
        ],
      ],
    );
  } finally {
    await weldr.stop();
  }
});

test('fails when a worker ends before it is ready', async () => {
  const { code, output } = await failedStart(
    withPlugins(`{ name: 'leaver', worker() { process.exit(5); } }`),
  );
  assert.is(code, 1);
  assert.match(output, /worker \d ended before it was ready: exit code 5/);
});

test('ends with code 78 when a plugin rejects the config as it starts', async () => {
  const { code, output } = await failedStart(`
    import { defineConfig, WeldrError } from 'weldr';
    export default defineConfig({ listen: '127.0.0.1:0', plugins: [
      { name: 'picky', manager() { throw new WeldrError('CONFIG_INVALID', 'needs a store'); } },
    ] });`);
  assert.is(code, 78);
  assert.match(output, 'plugin picky did not start: needs a store');
});

test('says that a port is taken, and what to do', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  try {
    const { code, output } = await failedStart(withPlugins('').replace('127.0.0.1:0', `127.0.0.1:${port}`));
    assert.is(code, 1);
    assert.match(output, `cannot listen on 127.0.0.1:${port}: the port is taken`);
    assert.match(output, '--ip');
  } finally {
    holder.close();
  }
});
