// `weldr init`: what it asks and writes, and that it overwrites nothing. test/package.test.ts runs such a project.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { CommandError } from '../../bin/command-error.ts';
import { initProject } from '../../bin/commands/init.ts';
import { loadConfig } from '../../config/load.ts';
import { defaultSettings } from '../../plugins/health-check/check-settings.ts';
import { suite } from '../support/suite.ts';
import { commandFrom, makeFolder } from '../support/weldr.ts';

const test = suite('weldr init');

let folder: string;
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'init-'));
});
test.after.each(() => rmSync(folder, { recursive: true }));

const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

interface Given {
  servers?: string;
  https?: string;
  listen?: string;
  force?: true;
}

async function init({ servers, https, listen, force }: Given = {}): Promise<string> {
  return await initProject({ folder, servers, https, listen, force: force === true });
}

async function refused(given: Given): Promise<string> {
  const thrown: unknown = await init(given).catch((error: unknown) => error);
  assert.instance(thrown, CommandError);
  return thrown instanceof CommandError ? thrown.message : '';
}

test('without a terminal it uses the defaults, and says what to run next', async () => {
  const said = await init();
  assert.match(said, /^Written: package\.json, weldr\.config\.ts, plugins\/hide-dotfiles\.ts, /);
  for (const step of [
    'npm install',
    'npm test',
    'npm run check',
    'npm start',
    'curl http://localhost:8080/',
  ]) {
    assert.match(said, step);
  }
  const { scripts, type, dependencies } = JSON.parse(read('package.json'));
  assert.equal([scripts.start, scripts.check, scripts.test], ['weldr start', 'weldr check', 'node --test']);
  assert.is(type, 'module');
  assert.match(dependencies.weldr, /^\^\d/);
  const config = read('weldr.config.ts');
  assert.match(config, "listen: '0.0.0.0:8080'");
  assert.match(config, "'http://127.0.0.1:3000'");
  const code = read('plugins/hide-dotfiles.ts').trim().split('\n');
  assert.ok(code.length <= 20);
});

test('the config says which statuses pass a health check', async () => {
  await init();
  assert.equal(defaultSettings.expect, ['2xx']);
  assert.match(read('weldr.config.ts'), '; only 2xx passes. ');
});

test('the image runs as an unprivileged user, gets signals itself, and is checked by weldr health', async () => {
  await init({ listen: '0.0.0.0:9000' });
  const lines = read('Dockerfile').split('\n');
  for (const line of ['USER node', 'STOPSIGNAL SIGTERM', 'ENTRYPOINT ["weldr"]', 'EXPOSE 9000']) {
    assert.ok(lines.includes(line), line);
  }
  assert.match(read('Dockerfile'), /^HEALTHCHECK .* CMD \["weldr", "health"\]$/m);
  assert.match(read('Dockerfile'), '--init --stop-timeout 40');
  assert.ok(read('.dockerignore').split('\n').includes('*.key'));
});

test('its configs pass the check, with certificates from Let’s Encrypt too', async () => {
  rmSync(folder, { recursive: true });
  folder = makeFolder();
  const said = await init({
    https: 'shop.example, www.shop.example, ops@shop.example',
    servers: '10.0.0.1:80,https://b',
  });
  assert.match(said, 'curl https://shop.example/\n');
  const { settings, plugins } = await loadConfig(join(folder, 'weldr.config.ts'), {});
  assert.equal(
    settings.listen.map(({ address }) => address),
    ['0.0.0.0:80', '0.0.0.0:443'],
  );
  assert.equal(
    plugins.slice(0, 3).map(({ name }) => name),
    ['acme', 'https-redirect', 'hide-dotfiles'],
  );
  assert.match(
    read('weldr.config.ts'),
    "acme({ email: 'ops@shop.example', domains: ['shop.example', 'www.shop.example'] })",
  );
});

test('names the missing files of a certificate', async () => {
  writeFileSync(join(folder, 'shop.pem'), '');
  const said = await init({ https: "shop.pem,/no/it's.key", listen: '8443' });
  assert.match(said, "Still missing for the check: /no/it's.key.");
  assert.match(said, 'curl -k https://localhost:8443/');
  assert.match(read('weldr.config.ts'), "{ cert: 'shop.pem', key: '/no/it\\'s.key' }");
});

const wrong: Readonly<Record<string, [Given, string]>> = {
  'a server that is no URL': [{ servers: 'ftp://a' }, '--servers: "ftp://a" is not a server\'s URL'],
  'no server': [{ servers: ',' }, '--servers: name at least one server'],
  'a server twice': [{ servers: 'http://a,a' }, '--servers: http://a is named twice'],
  'an address without a port': [{ listen: 'localhost' }, '--ip: expected an address such as "0.0.0.0:8080"'],
  'a plain yes to HTTPS': [{ https: 'yes' }, '--https: expected no, public domains such as shop.example, or'],
  'a name that no authority certifies': [{ https: 'localhost' }, 'got localhost'],
  'a domain without an email': [{ https: 'shop.example' }, 'add it, such as shop.example,ops@shop.example'],
  'a certificate without its key': [
    { https: 'shop.pem' },
    'expected two files, CERT.pem,KEY.pem, got shop.pem',
  ],
};

for (const [what, [given, message]] of Object.entries(wrong)) {
  test(`refuses ${what}, and writes nothing`, async () => {
    assert.match(await refused(given), message);
    assert.not.ok(existsSync(join(folder, 'weldr.config.ts')));
  });
}

test('overwrites files only with --force', async () => {
  writeFileSync(join(folder, 'weldr.config.ts'), 'mine');
  writeFileSync(join(folder, 'Dockerfile'), 'mine');
  assert.is(
    await refused({}),
    `weldr.config.ts and Dockerfile already exist in ${folder}; nothing was written: name another folder (weldr init FOLDER), or overwrite them with --force`,
  );
  assert.not.ok(existsSync(join(folder, 'package.json')));
  await init({ force: true });
  assert.match(read('weldr.config.ts'), 'defineConfig');
});

test('keeps files that other tools share, and adds to package.json what it lacks', async () => {
  writeFileSync(join(folder, '.gitignore'), 'mine');
  const own = {
    name: 'shop',
    type: 'commonjs',
    scripts: { start: 'node shop.js', test: 'echo "Error: no test specified" && exit 1' },
    dependencies: { weldr: 'file:weldr.tgz', left: '1' },
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(own));
  const said = await init({ force: true });
  assert.match(said, 'Left unchanged: .gitignore\n');
  assert.is(read('.gitignore'), 'mine');
  const { scripts, type, dependencies, name } = JSON.parse(read('package.json'));
  assert.equal(scripts, { start: 'node shop.js', check: 'weldr check', test: 'node --test' });
  assert.equal([name, type, dependencies], ['shop', 'commonjs', own.dependencies]);
  assert.match(
    said,
    'package.json: its script "start" stays "node shop.js"; Weldr\'s would be "weldr start"',
  );
  assert.match(said, 'package.json: its type stays "commonjs", but the plugin\'s test needs "module"\n');
  assert.match(said, /npm pkg set type=module\n {2}npm install\n/);
});

test('says that a package.json is not JSON, and leaves it alone', async () => {
  writeFileSync(join(folder, 'package.json'), '{ "name": ');
  assert.match(await refused({}), 'package.json is not a JSON object: nothing was written; correct it');
  assert.not.ok(existsSync(join(folder, 'weldr.config.ts')));
});

test('says that a folder cannot be made', async () => {
  mkdirSync(join(folder, 'a'));
  writeFileSync(join(folder, 'a/b'), '');
  const options = { servers: undefined, https: undefined, listen: undefined, force: false };
  const thrown: unknown = await initProject({ ...options, folder: join(folder, 'a/b') }).catch(
    error => error,
  );
  assert.match(String(thrown), /the project cannot be written: .*a\/b/);
});

/** Runs `weldr init` on a terminal: types each answer when its question appears. Returns the output. */
async function onTerminal(answers: readonly (readonly [shown: string, typed: string])[]): Promise<string> {
  const terminal = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';
  const command = [process.execPath, ...commandFrom(), 'init', folder];
  const child = spawn('python3', ['-c', terminal, ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  const left = [...answers];
  for await (const text of child.stdout.setEncoding('utf8')) {
    shown += text;
    const next = left[0];
    if (next === undefined || (!shown.endsWith(next[0]) && !shown.includes(next[0]))) continue;
    left.shift();
    child.stdin.write(next[1]);
  }
  return shown;
}

test('asks on a terminal for what the flags leave open, and asks again after a wrong answer', async () => {
  const shown = await onTerminal([
    ['Servers (URLs, separated by commas)', 'ftp://a\r'],
    ["is not a server's URL", '10.0.0.9:80\r'],
    ['HTTPS [no]:', '\r'],
    ['Address for clients [0.0.0.0:8080]:', '9090\r'],
    ['No server at http://10.0.0.9:80 yet?', '\x04'],
  ]);
  assert.match(shown, 'Next:');
  assert.match(read('weldr.config.ts'), "listen: '0.0.0.0:9090'");
});

test('writes nothing when the questions are interrupted', async () => {
  const shown = await onTerminal([['Servers (URLs, separated by commas)', '\x03']]);
  assert.match(shown, 'weldr: nothing was written');
  assert.not.ok(existsSync(join(folder, 'package.json')));
});
