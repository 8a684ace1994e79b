// The command line: mistakes are named with the nearest right word, and exit codes inform scripts.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import * as assert from 'uvu/assert';
import { CommandError } from '../../bin/command-error.ts';
import { runCommandLine } from '../../bin/command-line.ts';
import { searchPlaces } from '../../config/find.ts';
import { systemClock } from '../../core/time/clock.ts';
import { PoolJournal } from '../../plugins/pool-file/pool-journal.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { makeFolder, runWeldr } from '../support/weldr.ts';

const test = suite('command line');
const log = pino({ level: 'silent' });

const wrong: Record<string, [args: string[], message: string]> = {
  'an unknown command': [['serv'], 'there is no command "serv"; did you mean `weldr servers`?'],
  'an unknown command of a group': [['servers', 'ad', 'http://a'], 'did you mean `weldr servers add`?'],
  'a group alone': [['pool'], 'weldr pool needs a second word: reset, export, or import'],
  'an unknown flag': [['start', '--confg', 'x'], 'weldr start has no flag --confg; did you mean --config?'],
  'a flag of another command': [
    ['reload', '--weight', '3'],
    'weldr reload has no flag --weight\nweldr reload --help lists its flags',
  ],
  'a missing argument': [['servers', 'add'], 'weldr servers add <url>: <url> is missing'],
  'an argument too many': [['reload', 'now'], 'weldr reload: unexpected argument "now"'],
  'a flag without its value': [['check', '--config'], '--config needs a value'],
  'a flag twice': [['check', '--config', 'a', '--config', 'b'], '--config is given twice'],
  'a command after its flags': [
    ['--config', 'x', 'check'],
    'the command comes before its flags: weldr check',
  ],
  'a flag as the value of another': [
    ['check', '--config', '--ip', 'x'],
    '--config needs a value; if it is --ip, write --config=--ip',
  ],
  'a value of a switch': [['servers', '--json=yes'], '--json takes no value'],
  'a negative weight': [['servers', 'add', 'http://a', '--weight', '-3'], '--weight: expected a number'],
  'a wrong URL of a server': [['servers', 'add', 'ftp://a'], '"ftp://a" is not a server\'s URL'],
  'a wrong weight': [['servers', 'add', 'http://a', '--weight', 'heavy'], '--weight: expected a number'],
  'a wrong number of connections': [
    ['servers', 'add', 'http://a', '--max-connections', '0'],
    '--max-connections: expected a number from 1',
  ],
  'a wrong URL of the admin API': [['servers', '--admin-url', 'localhost:1'], '--admin-url: expected a URL'],
};

for (const [what, [args, message]] of Object.entries(wrong)) {
  test(`refuses ${what} with exit code 2`, async () => {
    const thrown: unknown = await runCommandLine(args).catch((error: unknown) => error);
    assert.instance(thrown, CommandError);
    if (!(thrown instanceof CommandError)) return;
    assert.match(thrown.message, message);
    assert.is(thrown.exitCode, 2);
  });
}

/** Mistakes that only a start or a check notices. */
const wrongSettings: Record<string, [args: string[], message: string]> = {
  'a wrong address': [['check', '--ip', '80'], '--ip: expected an address such as "0.0.0.0:8080" or'],
  'a wrong number of workers': [
    ['--workers', 'many'],
    '--workers: expected a number of processes up to 512, or auto, got "many"',
  ],
};

for (const [what, [args, message]] of Object.entries(wrongSettings)) {
  test(`refuses ${what} with exit code 2`, async () => {
    const { code, stdout, stderr } = await runWeldr(args);
    assert.match(stderr, message);
    assert.is(stdout, '');
    assert.is(code, 2);
  });
}

test('says that no admin API answers, with exit code 69', async () => {
  const admin = `http://127.0.0.1:${await freePort()}`;
  const { code, stderr } = await runWeldr(['servers', '--admin-url', admin]);
  assert.match(stderr, `no admin API answers at ${admin}`);
  assert.is(code, 69);
});

test('says that there is no config, with exit code 78', async () => {
  const folder = makeFolder();
  try {
    const { code, stderr } = await runWeldr(['check'], { cwd: folder });
    assert.match(stderr, `there is no config in ${folder}`);
    assert.is(code, 78);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a check shows the changes of operators over the config, while another Weldr has the store open', async () => {
  const folder = makeFolder();
  const journal = await PoolJournal.open({ path: join(folder, 'pool.json'), log, clock: systemClock });
  try {
    const config = `import { healthCheck, poolFile, roundRobin } from 'weldr/plugins';
export default { servers: ['http://127.0.0.1:1'], plugins: [roundRobin(), healthCheck(), poolFile({ path: 'pool.json' })] };`;
    writeFileSync(join(folder, 'weldr.config.mjs'), config);
    const untouched = await runWeldr(['check'], { cwd: folder });
    assert.equal([untouched.code, untouched.stdout.trim().split('\n').length], [0, 1]);
    const mark = { by: 'a test', at: 0 };
    const rows = [
      { kind: 'server', key: 'default/http://127.0.0.1:1', op: 'patch', value: { weight: 3 }, ...mark },
      {
        kind: 'server',
        key: 'default/http://127.0.0.1:2',
        op: 'define',
        value: { url: 'http://127.0.0.1:2' },
        ...mark,
      },
      { kind: 'setting', key: 'health-check', op: 'patch', value: { interval: 1000 }, ...mark },
      { kind: 'server', key: 'default/http://127.0.0.1:3', op: 'define', value: { url: 'x' }, ...mark },
    ] as const;
    await journal.write({ ...mark, changes: rows.map(row => ({ kind: row.kind, key: row.key, row })) });
    const before = readFileSync(join(folder, 'pool.json'));
    const changed = await runWeldr(['check'], { cwd: folder });
    assert.is(changed.code, 0);
    assert.match(
      changed.stdout,
      "operators' changes over the config: 2 changed (weight of default/http://127.0.0.1:1, interval of setting health-check); 2 added (default/http://127.0.0.1:2",
    );
    assert.match(changed.stderr, 'weldr: warning: server default/http://127.0.0.1:3');
    assert.equal(readFileSync(join(folder, 'pool.json')), before, 'nothing is written');
    writeFileSync(join(folder, 'pool.json'), 'my diary');
    const foreign = await runWeldr(['check'], { cwd: folder });
    assert.is(foreign.code, 78);
    assert.match(foreign.stderr, "the file there is not Weldr's");
  } finally {
    await journal.close();
    rmSync(folder, { recursive: true });
  }
});

test('a check warns if the store cannot be read, and checks only the config', async () => {
  const folder = makeFolder();
  const port = await freePort();
  try {
    const config = `import { etcd, roundRobin } from 'weldr/plugins';
export default { plugins: [roundRobin(), etcd({ hosts: ['http://127.0.0.1:${port}'] })] };`;
    writeFileSync(join(folder, 'weldr.config.mjs'), config);
    const { code, stdout, stderr } = await runWeldr(['check'], { cwd: folder });
    assert.is(code, 0);
    assert.match(stdout, 'is valid');
    assert.match(stderr, 'weldr: warning: the changes of operators are not shown: etcd does not answer');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('checks a config without starting anything', async () => {
  const folder = makeFolder();
  try {
    const path = join(folder, 'my.mjs');
    writeFileSync(path, "import { stats } from 'weldr/plugins'; export default { plugins: [stats()] };");
    const right = await runWeldr(['check', '--config', 'my.mjs'], { cwd: folder });
    assert.is(right.code, 0);
    assert.match(right.stdout, `${path} is valid: 0 servers; plugins: stats`);
    writeFileSync(
      path,
      "import { stats } from 'weldr/plugins'; export default { plugins: [stats({ interval: 'soon' })] };",
    );
    const wrong = await runWeldr(['check', '--config', 'my.mjs'], { cwd: folder });
    assert.is(wrong.code, 78);
    assert.is(
      wrong.stderr,
      'weldr: my.mjs: plugins[0].interval: expected a duration such as "30s", got "soon"\n',
    );
    const variable = await runWeldr(['check', '--config', 'my.mjs'], {
      cwd: folder,
      env: { WELDR_WORKERS: 'many' },
    });
    assert.is(variable.code, 78);
    assert.match(variable.stderr, 'WELDR_WORKERS: expected a number of processes');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('starts nothing with a config that is not valid', async () => {
  const folder = makeFolder();
  try {
    writeFileSync(join(folder, 'weldr.config.mjs'), "export default { listen: 'here', plugins: [] };");
    const { code, stdout, stderr } = await runWeldr([], { cwd: folder });
    assert.is(code, 78);
    assert.is(stdout, '');
    assert.match(stderr, 'weldr.config.mjs: listen[0]: expected an address such as "0.0.0.0:8080" or');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('prints its version', async () => {
  const { code, stdout } = await runWeldr(['--version']);
  assert.match(stdout, /^weldr, \d+\.\d+\.\d+\n$/);
  assert.is(code, 0);
});

test('prints the help of all commands, of a group, and of each with its flags', async () => {
  const all = await runWeldr(['--help']);
  assert.is(all.code, 0);
  for (const command of ['start', 'check', 'servers add', 'pool export', 'cluster status']) {
    assert.match(all.stdout, new RegExp(`^ +${command} `, 'm'));
  }
  const one = await runWeldr(['servers', 'add', '--help']);
  assert.is(one.code, 0);
  for (const flag of ['--weight', '--host', '--ttl', '--admin-url']) assert.match(one.stdout, flag);
  const group = await runWeldr(['cluster', '--help']);
  assert.is(group.code, 0);
  assert.match(group.stdout, /^ +cluster hand-over /m);
  assert.not.match(group.stdout, /^ +servers /m);
  const another = await runWeldr(['help', 'init']);
  assert.match(another.stdout, /--force +Overwrite files\n/);
});

test('the help of --config names every file that is looked for', async () => {
  const { stdout } = await runWeldr(['check', '--help']);
  const [line = ''] = /--config .*/.exec(stdout) ?? [];
  for (const place of searchPlaces) {
    assert.match(line, new RegExp(`${place.replace('weldr.config', '').replace('.', '\\.')}\\b`));
  }
});

test('the help of --field gives an example that the command takes', async () => {
  const server = await runWeldr(['servers', 'reset', '--help']);
  assert.match(server.stdout, /--field +Only this field, such as weight;/);
  const route = await runWeldr(['routes', 'reset', '--help']);
  assert.match(route.stdout, /--field +Only this field, such as priority;/);
});

test('the help of a pool speaks of its servers', async () => {
  const { stdout } = await runWeldr(['pools', 'add', '--help']);
  assert.match(stdout, /--http2 +Speak HTTP\/2 with its servers, /);
  assert.match(stdout, /--proxy-protocol +Send its servers the client address /);
});

for (const group of ['servers', 'pools', 'routes', 'certificates']) {
  test(`the help of ${group} has its own text and flags, and the other commands of its group`, async () => {
    const { code, stdout } = await runWeldr([group, '--help']);
    assert.is(code, 0);
    assert.match(stdout, /^ {2}Description\n {4}List the /m);
    assert.match(stdout, `$ weldr ${group} [options]`);
    assert.match(stdout, /^ +--json /m);
    assert.match(stdout, new RegExp(`^ {4}${group} remove {2,}Remove `, 'm'));
    assert.not.match(stdout, 'WELDR_LISTEN');
  });
}

for (const group of ['pool', 'cluster']) {
  test(`the help of the group ${group} has its own text`, async () => {
    const { code, stdout } = await runWeldr([group, '--help']);
    assert.is(code, 0);
    assert.match(stdout, new RegExp(`^ {4}${group} [a-z-]+ {2,}`, 'm'));
    assert.not.match(stdout, 'WELDR_LISTEN');
  });
}

test('the help of a command that is no group lists no others', async () => {
  const { stdout } = await runWeldr(['explain', '--help']);
  assert.match(stdout, '$ weldr explain <method> <url> [options]');
  assert.not.match(stdout, 'Commands');
});
