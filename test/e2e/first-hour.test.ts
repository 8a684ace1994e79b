// The mistakes of a first hour with Weldr, each made on purpose: the message names the cause and the remedy. Those in a
// running Weldr are in first-hour-running.test.ts.
import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { generate } from 'selfsigned';
import * as assert from 'uvu/assert';
import { certificate, privateKey } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import { makeFolder } from '../support/weldr.ts';
import type { Printed, Typed } from './first-hour-commands.ts';

const test = suite('the first hour', { timeoutMs: 240_000, testTimeoutMs: 120_000 });

/** A part of the expected message, and the config that is checked or the command line in place of `weldr check`. */
type Mistake = readonly [said: string, config: string, env?: Readonly<Record<string, string>>];

const withTls = (cert: string, key: string): string =>
  `listen: [{ address: '127.0.0.1:0', tls: { certificates: [{ cert: '${cert}', key: '${key}' }] } }],`;

/** An otherwise valid config with these fields and plugins. */
function config(fields: string, plugins = 'roundRobin()'): string {
  return `import { defineConfig } from 'weldr';
import { adminApi, basicAuth, healthCheck, ipFilter, poolFile, random, rateLimit, roundRobin, routes } from 'weldr/plugins';
export default defineConfig({ listen: '127.0.0.1:0', ${fields} plugins: [${plugins}] });
export const used = [adminApi, basicAuth, healthCheck, ipFilter, poolFile, random, rateLimit, routes];
`;
}

const routesOf = (route: string): string => `routes([{ name: 'a', ${route} }]), roundRobin()`;

const mistakes: Readonly<Record<string, Mistake>> = {
  'a misspelt option': ['lisen: there is no such option; did you mean listen?', config("lisen: ':80',")],
  'a misspelt option within another': [
    'timeouts.conect: there is no such option; did you mean connect?',
    config("timeouts: { conect: '5s' },"),
  ],
  'a misspelt option of a plugin': [
    'plugins[1].intervall: there is no such option; did you mean interval?',
    config('', "roundRobin(), healthCheck({ intervall: '3s' })"),
  ],
  'a misspelt plugin': [
    'weldr/plugins exports no roundRobbin; did you mean roundRobin?',
    "import { roundRobbin } from 'weldr/plugins'; export default { plugins: [roundRobbin()] };",
  ],
  'a plugin that is not imported': [
    "roundRobin is not imported; add import { roundRobin } from 'weldr/plugins'",
    'export default { plugins: [roundRobin()] };',
  ],
  'a plugin that is not called': [
    'plugins[0]: expected a plugin such as roundRobin(), got the function of round-robin: call it, with ()',
    config('', 'roundRobin'),
  ],
  'a promise in place of a plugin': [
    'got a promise; await it',
    config('', 'roundRobin(), Promise.resolve({})'),
  ],
  'a plugin by its name': ['in code a plugin is called: roundRobin()', config('', "'roundRobin'")],
  'a list within the list of plugins': [
    'write ...list to put its plugins in here',
    config('', '[roundRobin()]'),
  ],
  'no plugins': ['plugins: expected array, got nothing', 'export default {};'],
  'no balancer': [
    'weldr.config.ts: plugins: no plugin chooses among the servers of pool default; add a balancer such as roundRobin()',
    config("servers: ['http://127.0.0.1:1'],", ''),
  ],
  'two balancers': ['plugins[1]: plugins[0] is the balancer already', config('', 'roundRobin(), random()')],
  'a plugin twice': [
    'plugins[2]: plugins[1] is named health-check already; keep one',
    config('', 'roundRobin(), healthCheck(), healthCheck()'),
  ],
  'typographic quotes': ['‘ is a typographic quote; write \' or "', 'import { a } from ‘weldr’;'],
  'a missing comma': [
    'weldr.config.ts:3:1: a comma is missing before this',
    "export default {\n  listen: ':80'\nplugins: [],\n};",
  ],
  'a bracket that is not closed': ['the file ends too early; a ), ], }', 'export default {\n  plugins: ['],
  'no export': ['exports no config; write export default defineConfig({', 'const config = {};'],
  CommonJS: ['module is not defined in ES module scope; write export default', 'module.exports = {};'],
  'a server without its scheme': [
    'servers[0].url: "localhost:3000" is not a server\'s URL: expected http://HOST:PORT',
    config("servers: ['localhost:3000'],"),
  ],
  'the scheme that was meant': [
    '; did you mean "http://localhost:3000"?',
    config("servers: ['localhost:3000'],"),
  ],
  'a server with a path': [
    'did you mean "http://localhost:3000"? The path is set by `rewrite` of a route',
    config("servers: ['http://localhost:3000/api'],"),
  ],
  'servers that are not a list': [
    'servers: expected array, got "http://a"; write ["http://a"]',
    config("servers: 'http://a',"),
  ],
  'a server twice': [
    'servers[1]: http://a is servers[0] already',
    config("servers: ['http://a', 'http://a/'],"),
  ],
  'Weldr as its own server': [
    'http://127.0.0.1:18099 is this Weldr itself, which listens on 127.0.0.1:18099',
    config("servers: ['http://127.0.0.1:18099'],").replace('127.0.0.1:0', '127.0.0.1:18099'),
  ],
  'a weight in quotes': [
    'servers[0].weight: expected number, got "2"; write 2 without quotes',
    config("servers: [{ url: 'http://a', weight: '2' }],"),
  ],
  'a weight of 0': ['a weight is at least 1', config("servers: [{ url: 'http://a', weight: 0 }],")],
  'a negative number': ['workers: expected a number of at least 0, got -1', config('workers: -1,')],
  'a duration without its unit': [
    'timeouts.connect: expected a duration such as "30s", got "5"; did you mean "5s"?',
    config("timeouts: { connect: '5' },"),
  ],
  'a size with a wrong unit': [
    'expected a size such as "16kb", got "10MBs"',
    config("limits: { body: '10MBs' },"),
  ],
  'a port alone': ['got "8080"; did you mean ":8080"?', config('').replace('127.0.0.1:0', '8080')],
  'a port as a number': ['got 8080; did you mean ":8080"?', config('').replace("'127.0.0.1:0'", '8080')],
  'a URL to listen on': [
    'did you mean "0.0.0.0:80"?',
    config('').replace('127.0.0.1:0', 'http://0.0.0.0:80'),
  ],
  'a route to a pool that does not exist': [
    'there is no pool "shp"; ',
    config("pools: { shop: ['http://a'] },", routesOf("path: '/x/*', pool: 'shp'")),
  ],
  'a route that leads nowhere': ['routes[0]', config('', routesOf("path: '/x/*'"))],
  'a path of a route without its slash': [
    'does not begin with "/": write "/x/*"',
    config('', routesOf("path: 'x/*', pool: 'default'")),
  ],
  'two routes of one name': [
    'routes[0] is already called "a": choose another name',
    config(
      '',
      "routes([{ name: 'a', path: '/a', pool: 'default' }, { name: 'a', path: '/b', pool: 'default' }]), roundRobin()",
    ),
  ],
  'a fallback that does not exist': [
    'there is no pool "defalt"; there are default, shop',
    config("pools: { shop: { servers: [], fallback: 'defalt' } },"),
  ],
  'a network with a typo': [
    'allow[0]: expected an address, a network such as "10.0.0.0/8"',
    config('', "ipFilter({ allow: ['10.0.0/8'] }), roundRobin()"),
  ],
  'a path of a check without its slash': [
    'path: expected a path that begins with / and has no spaces, such as "/up", got "up"',
    config('', "roundRobin(), healthCheck({ path: 'up' })"),
  ],
  'a password that is not a hash': [
    '`htpasswd -nB NAME`',
    config('', "basicAuth({ users: { bob: 'pw' } }), roundRobin()"),
  ],
  'a missing certificate': [
    "certificates[0].cert: cannot be read: ENOENT: no such file or directory, open 'nope.pem'; a relative path begins at ",
    config(withTls('nope.pem', 'nope.key')),
  ],
  'a file that is not a certificate': [
    'expected certificates as PEM, -----BEGIN CERTIFICATE-----',
    config(withTls('junk.pem', 'a.key')),
  ],
  'a key of another certificate': ['old.key is not the key of `cert`', config(withTls('a.pem', 'old.key'))],
  'certificate and key swapped': [
    'a.key is a key; are `cert` and `key` swapped?',
    config(withTls('a.key', 'a.pem')),
  ],
  'an expired certificate': ['expired on 2021-01-01; renew it', config(withTls('old.pem', 'old.key'))],
  'a variable that is not set': [
    'token: the variable NOPE is not set; set it where Weldr is started',
    config('', "roundRobin(), adminApi({ token: 'env:NOPE' })"),
  ],
  'a secret of a file that does not exist': [
    'make /nope a file that this user may read',
    config('', "roundRobin(), adminApi({ token: 'file:/nope' })"),
  ],
  'a short token': [
    'make one with openssl rand -hex 32',
    config('', "roundRobin(), adminApi({ token: 'secret' })"),
  ],
  'an open admin API': [
    'would be open to everybody',
    config('', "roundRobin(), adminApi({ listen: '0.0.0.0:0' })"),
  ],
  'a misspelt variable of Weldr': ['did you mean WELDR_LISTEN?', config(''), { WELDR_LISTN: ':0' }],
};

const typed: Readonly<Record<string, readonly [said: string, args: readonly string[]]>> = {
  'no config': ['there is no config in', ['check']],
  'a config that does not exist': ['name the config with --config FILE', ['check', '--config', 'nope.ts']],
  'a folder as the config': ['is a folder; name the config file in it', ['check', '--config', '.']],
  'a config without its flag': ['weldr check --config my.ts', ['check', 'my.ts']],
  'a misspelt command': ['did you mean `weldr check`?', ['chekc']],
  'a command of other servers': ['did you mean `weldr reload`?', ['restart']],
  'a command to stop': ['stop Weldr with Ctrl-C or kill PID', ['stop']],
  'a misspelt flag': ['did you mean --config?', ['start', '--confg', 'x']],
  'a flag of other servers': ['did you mean --ip?', ['start', '--port', '80']],
  'a missing argument': ['<url> is missing', ['servers', 'add']],
  'a server without its scheme, at run time': [
    'did you mean "http://localhost:3000"?',
    ['servers', 'add', 'localhost:3000'],
  ],
  'no running Weldr': [
    'is Weldr running, with the adminApi plugin?',
    ['reload', '--admin-url', 'http://127.0.0.1:1'],
  ],
  'an admin API that is not a URL': [
    'expected a URL such as http://127.0.0.1:8687',
    ['servers', '--admin-url', '127.0.0.1:8687'],
  ],
};

const folders: string[] = [];
const printed = new Map<string, Printed>();

test.before(async () => {
  const old = await generate([{ name: 'commonName', value: 'old.example' }], {
    notBeforeDate: new Date('2020-01-01'),
    notAfterDate: new Date('2021-01-01'),
  });
  const files = {
    'a.pem': certificate,
    'a.key': privateKey,
    'old.pem': old.cert,
    'old.key': old.private,
    'junk.pem': 'hello',
  };
  const lines: Typed[] = [];
  const folderOf = (more: Readonly<Record<string, string>>): string => {
    const folder = makeFolder();
    folders.push(folder);
    for (const [name, text] of Object.entries(more)) writeFileSync(join(folder, name), text);
    return folder;
  };
  for (const [, text, env = {}] of Object.values(mistakes)) {
    lines.push({ args: ['check'], folder: folderOf({ ...files, 'weldr.config.ts': text }), env });
  }
  const empty = folderOf({});
  for (const [, args] of Object.values(typed)) lines.push({ args, folder: empty, env: {} });
  const script = join(import.meta.dirname, 'first-hour-commands.ts');
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('WELDR_')));
  const child = spawn(process.execPath, ['-C', 'weldr-source', script], {
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(lines));
  const all = await json(child.stdout);
  assert.ok(Array.isArray(all));
  for (const [index, what] of [...Object.keys(mistakes), ...Object.keys(typed)].entries()) {
    printed.set(what, all[index]);
  }
});

test.after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

for (const [what, [said]] of [...Object.entries(mistakes), ...Object.entries(typed)]) {
  test(`says what to do about ${what}`, () => {
    const { stderr = '' } = printed.get(what) ?? {};
    assert.ok(stderr.includes(said), `${JSON.stringify(said)} is not in: ${stderr}`);
  });
}
