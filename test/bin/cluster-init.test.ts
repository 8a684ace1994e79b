// `weldr cluster init` and `weldr cluster check`, with real etcds started from the files of init.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import * as assert from 'uvu/assert';
import { readMachines } from '../../bin/cluster-setup/machines.ts';
import { checkCluster, initCluster } from '../../bin/commands/cluster-init.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { runWeldr } from '../support/weldr.ts';

const test = suite('weldr cluster init');

/** Machines on loopback addresses that only this process uses, so that all can have the usual ports. */
const net = `127.${10 + (process.pid % 200)}.${(process.pid >> 8) % 250}`;
const machines = `a=${net}.1,b=${net}.2,c=${net}.3`;

let folder: string;
const members = new Set<ChildProcess>();
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'cluster-'));
});
test.after.each(async () => {
  for (const member of members) {
    if (member.exitCode === null && member.signalCode === null) {
      member.kill('SIGKILL');
      await once(member, 'exit');
    }
  }
  members.clear();
  rmSync(folder, { recursive: true });
});

const options = { machines, weldrs: undefined, address: '10.0.0.100/24', interface: 'eth0' };
const output = (name = 'out'): string => join(folder, name);
const read = (name: string, file: string): string => readFileSync(join(output(), name, file), 'utf8');

/** Starts the etcd of a machine as systemd does, but with its data in this test's folder. */
function startEtcd(name: string, settings: Record<string, string | undefined>): void {
  const data = { ETCD_DATA_DIR: join(folder, `data-${name}`) };
  members.add(spawn('etcd', [], { env: { ...process.env, ...settings, ...data }, stdio: 'ignore' }));
}

test('writes settings that make real etcds one cluster, which check finds healthy', async () => {
  const said = await initCluster({ ...options, output: output() });
  assert.match(said, 'On a, b, and c, all before step 2:');
  assert.match(said, `weldr cluster check ${machines}`);
  assert.match(said, 'On a and b, where Weldr is installed:');
  for (const name of ['a', 'b', 'c']) startEtcd(name, parseEnv(read(name, 'etcd.env')));
  let checked = { text: '', code: -1 };
  await until(
    'the cluster is healthy',
    async () => {
      checked = await checkCluster(machines);
      return checked.code === 0;
    },
    30_000,
  ).catch(() => assert.unreachable(checked.text));
  assert.match(checked.text, /^a {2}127\.[\d.]+ {2}etcd 3\.[\d.]+, 3 members, [\d.]+ ms away$/m);
  assert.match(checked.text, 'etcd is healthy: these machines are one cluster with a leader.');
  // The short election timeout lets etcd grant a lease of a second.
  assert.not.match(checked.text, 'grants no lease');

  const other = await checkCluster(machines.replace(`c=${net}.3`, `c=${net}.4`));
  assert.is(other.code, 1);
  assert.match(
    other.text,
    `✘ a: its etcd has other members than you gave: it lacks http://${net}.4:2380 and also has`,
  );
  assert.match(
    other.text,
    `✘ c: no etcd answers at ${net}.4 port 2379 (the connection is refused); start it there`,
  );
});

test('init and check report an etcd that was started before it was configured', async () => {
  for (const [name, host] of Object.entries({ a: 1, b: 2, c: 3 })) {
    const client = `http://${net}.${host}:2379`;
    const peer = `http://${net}.${host}:2380`;
    startEtcd(name, {
      ETCD_LISTEN_CLIENT_URLS: client,
      ETCD_ADVERTISE_CLIENT_URLS: client,
      ETCD_LISTEN_PEER_URLS: peer,
      ETCD_INITIAL_ADVERTISE_PEER_URLS: peer,
      ETCD_INITIAL_CLUSTER: `default=${peer}`,
    });
  }
  const pattern = /✘ b: its etcd is a separate cluster, because it was started before it was configured/;
  await until(
    'all answer',
    async () =>
      /✘ a: .*separate[\s\S]*✘ b: .*separate[\s\S]*✘ c: .*separate/.test((await checkCluster(machines)).text),
    30_000,
  );
  const { code, text } = await checkCluster(machines);
  assert.is(code, 1);
  assert.match(text, pattern);
  assert.match(await initCluster({ ...options, output: output() }), pattern);
});

test('gives each Weldr a config with its own etcd first, and the third machine none', async () => {
  await initCluster({ ...options, output: output() });
  assert.match(
    read('b', 'weldr.config.ts'),
    `etcd({ nodeName: 'b', hosts: ['http://${net}.2:2379', 'http://${net}.1:2379', 'http://${net}.3:2379'] }),`,
  );
  assert.match(read('b', 'weldr.config.ts'), "floatingIp({ address: '10.0.0.100/24', interface: 'eth0' }),");
  assert.throws(() => read('c', 'weldr.config.ts'), /ENOENT/);
  await initCluster({
    ...options,
    address: undefined,
    interface: undefined,
    weldrs: 'c',
    output: output('plain'),
  });
  const config = join(output('plain'), 'c/weldr.config.ts');
  assert.not.match(readFileSync(config, 'utf8'), 'floatingIp');
  assert.throws(() => readFileSync(join(output('plain'), 'a/weldr.config.ts')), /ENOENT/);
});

test('has Weldr listen where an IPv6 service address is reached', async () => {
  const ipv6 = { machines: 'a=[fd00::1],b=[fd00::2],c=[fd00::3]', address: 'fd00::100/64' };
  await initCluster({ ...options, ...ipv6, output: output() });
  const config = read('a', 'weldr.config.ts');
  assert.match(config, "listen: '[::]:80',");
  assert.match(config, "hosts: ['http://[fd00::1]:2379', 'http://[fd00::2]:2379', 'http://[fd00::3]:2379']");
  assert.match(read('a', 'etcd.env'), 'ETCD_LISTEN_CLIENT_URLS=http://[fd00::1]:2379');
});

test('makes a new token each time, so that two clusters never mix', async () => {
  const tokenOf = (name: string): string | undefined =>
    parseEnv(readFileSync(join(output(name), 'a/etcd.env'), 'utf8'))['ETCD_INITIAL_CLUSTER_TOKEN'];
  for (const name of ['one', 'two']) await initCluster({ ...options, output: output(name) });
  assert.match(tokenOf('one') ?? '', /^weldr-[\da-f]{16}$/);
  assert.is.not(tokenOf('one'), tokenOf('two'));
});

test('does not overwrite existing files', async () => {
  await initCluster({ ...options, output: output() });
  const before = read('a', 'etcd.env');
  const again = await runWeldr(['cluster', 'init', machines, '--output', output()]);
  assert.is(again.code, 1);
  assert.match(again.stderr, 'out/a already exists; remove it, or name another folder with --output');
  assert.is(read('a', 'etcd.env'), before);
});

const refusals: Record<string, [string, string]> = {
  'two machines': ['a=10.0.0.1,b=10.0.0.2', 'etcd needs three machines to survive the loss of one'],
  'an even number': [
    'a=10.0.0.1,b=10.0.0.2,c=10.0.0.3,d=10.0.0.4',
    '4 machines survive no more losses than 3',
  ],
  'a name': ['a=alpha,b=10.0.0.2,c=10.0.0.3', 'a: "alpha" is not an IP address'],
  'an address without a name': ['10.0.0.1,10.0.0.2,10.0.0.3', 'expected NAME=IP, several with commas'],
  'a name twice': ['a=10.0.0.1,a=10.0.0.2,c=10.0.0.3', 'the name a is given twice'],
  'an address twice': ['a=10.0.0.1,b=10.0.0.1,c=10.0.0.3', 'the address 10.0.0.1 port 2379 is given twice'],
  'an IPv6 address without brackets': [
    'a=fd00::1,b=fd00::2,c=fd00::3',
    'an IPv6 address needs brackets: a=[fd00::1]',
  ],
  'an impossible port': ['a=10.0.0.1:99999,b=10.0.0.2,c=10.0.0.3', 'a: expected a port from 1 to 65534'],
};
for (const [what, [text, message]] of Object.entries(refusals)) {
  test(`refuses ${what}`, () => {
    assert.throws(
      () => readMachines(text),
      (error: Error) => error.message.includes(message),
    );
  });
}

test('refuses options that lack each other, or name unknown machines', async () => {
  const refused: [object, string][] = [
    [{ interface: undefined }, '--address and --interface belong together'],
    [
      { address: '10.0.0.100' },
      '--address: expected an address with its prefix length, such as 10.0.0.100/24',
    ],
    [{ interface: 'eth 0' }, '--interface: expected a name such as eth0'],
    [{ weldrs: 'a,d' }, 'there is no machine "d"; the machines are a, b, c'],
  ];
  for (const [change, message] of refused) {
    const refusal = await initCluster({ ...options, output: output(), ...change }).catch(error => error);
    assert.match(refusal.message, message);
  }
});

test('accepts IPv6 addresses in brackets, and custom ports', () => {
  assert.equal(readMachines('a=[fd00::1]:12379, b=[fd00::2], c=10.0.0.3:4001'), [
    { name: 'a', ip: 'fd00::1', port: 12379 },
    { name: 'b', ip: 'fd00::2', port: 2379 },
    { name: 'c', ip: '10.0.0.3', port: 4001 },
  ]);
});
