// `weldr check` and `weldr start` refuse the same configs, with one sentence that names the mistake and the remedy.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { makeFolder, runWeldr } from '../support/weldr.ts';

const test = suite('weldr check', { timeoutMs: 300_000, testTimeoutMs: 60_000 });

interface Mistake {
  /** The config's fields, beside a listener on a free port and a balancer. */
  readonly fields?: string;
  readonly plugins?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The whole message after `weldr: `. */
  readonly said: string;
}

const at = 'weldr.config.mjs: ';

const mistakes: Readonly<Record<string, Mistake>> = {
  'an admin API that others reach without a token': {
    plugins: "adminApi({ listen: '0.0.0.0:0' })",
    said: `${at}plugins[1].token: the admin API would be open to everybody who reaches 0.0.0.0:0: set adminApi({ token }) or WELDR_ADMIN_TOKEN, or listen on 127.0.0.1, or require certificates of callers (tls.clientAuth)`,
  },
  'a short WELDR_ADMIN_TOKEN': {
    plugins: 'adminApi()',
    env: { WELDR_ADMIN_TOKEN: 'short' },
    said: `${at}plugins[1].token: WELDR_ADMIN_TOKEN: a token has 16 characters or more, without spaces; make one with openssl rand -hex 32`,
  },
  'clients and the admin API on one port': {
    fields: "listen: '0.0.0.0:8687',",
    plugins: 'adminApi()',
    said: `${at}plugins[1].listen: 127.0.0.1:8687 and 0.0.0.0:8687, where clients connect to, are the same port; choose another for one of them`,
  },
  'a server in two spellings': {
    fields: "servers: ['http://LOCALHOST:80', 'http://localhost/'],",
    said: `${at}servers[1]: http://localhost is servers[0] already; take one of them out`,
  },
  'a server of a pool twice': {
    fields: "pools: { api: { servers: ['http://127.0.0.1:1', { url: 'http://127.0.0.1:1', weight: 2 }] } },",
    said: `${at}pools.api.servers[1]: http://127.0.0.1:1 is pools.api.servers[0] already; take one of them out`,
  },
  'an address in octal': {
    fields: "servers: ['http://010.0.0.7:80'],",
    said: `${at}servers[0].url: "http://010.0.0.7:80" is not a server's URL: some read 010.0.0.7 as 8.0.0.7, others as another address; write it in full`,
  },
  'a short address': {
    fields: "servers: ['http://127.1'],",
    said: `${at}servers[0].url: "http://127.1" is not a server's URL: some read 127.1 as 127.0.0.1, others as another address; write it in full`,
  },
  'a listener in octal': {
    fields: "listen: '010.0.0.1:80',",
    said: `${at}listen[0]: expected an address such as "0.0.0.0:8080" or "unix:/run/weldr/http.sock", got "010.0.0.1:80"`,
  },
  'all addresses twice': {
    fields: "listen: ['0.0.0.0:80', '[::]:80'],",
    said: `${at}listen[1]: [::]:80 takes the connections to 0.0.0.0:80 too (listen[0] and this); take 0.0.0.0:80 out`,
  },
  'weight 0': {
    fields: "servers: [{ url: 'http://127.0.0.1:1', weight: 0 }],",
    said: `${at}servers[0].weight: a weight is at least 1; a server that is to get no new requests has state "draining" or "disabled"`,
  },
  'a number over its bound': {
    fields: "servers: [{ url: 'http://127.0.0.1:1', weight: 2000 }],",
    said: `${at}servers[0].weight: expected a number of at most 1000, got 2000`,
  },
  'no whole number': {
    fields: 'limits: { connections: 1.5 },',
    said: `${at}limits.connections: expected a whole number, got 1.5`,
  },
  'a word that is no choice': {
    fields: "logLevel: 'loud',",
    said: `${at}logLevel: expected one of "trace", "debug", "info", "warn", "error", "fatal", "silent", got "loud"`,
  },
  'a plugin whose worker side throws': {
    plugins: "{ name: 'x', worker() { throw new Error('boom'); } }",
    said: 'plugin x did not start: boom',
  },
};

for (const [what, { fields = '', plugins, env, said }] of Object.entries(mistakes)) {
  test(`and start refuse ${what} in the same words`, async () => {
    const folder = makeFolder();
    const listen = fields.includes('listen') ? '' : "listen: '127.0.0.1:0',";
    writeFileSync(
      join(folder, 'weldr.config.mjs'),
      `import { defineConfig } from 'weldr';
       import { adminApi, roundRobin } from 'weldr/plugins';
       export default defineConfig({ workers: 1, ${listen} ${fields} plugins: [roundRobin(), ${plugins ?? ''}] });
       export const used = adminApi;`,
    );
    try {
      for (const command of ['check', 'start']) {
        const { code, stderr } = await runWeldr([command], {
          cwd: folder,
          ...(env === undefined ? {} : { env }),
        });
        assert.is(stderr, `weldr: ${said}\n`, command);
        assert.is(code, said.startsWith('plugin') ? 1 : 78, command);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
