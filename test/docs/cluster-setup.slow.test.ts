// docs/cluster.md, command by command, on three Debian machines that are really booted. test/docs/cluster-page.ts
// names the replacements of commands that need the internet or ssh.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { clusterCommands, commandsRun } from './cluster-page.ts';
import { type Machine, MachineRoom, whyNoMachines } from './debian-machines.ts';

const test = suite('the page about clusters, on booted machines', {
  alone: true,
  timeoutMs: 600_000,
  testTimeoutMs: 500_000,
});

const missing = await whyNoMachines();
const project = fileURLToPath(new URL('../..', import.meta.url));
const packages = ['etcd-server', 'etcd-client', 'iproute2', 'iputils-arping', 'nftables', 'libatomic1'];
const all = 'a=10.0.0.1,b=10.0.0.2,c=10.0.0.3';
const page = clusterCommands();
const run: string[] = [];

let packed: string;
let room: MachineRoom;
let origin: ChildProcess;
let a: Machine;
let b: Machine;
let c: Machine;

/** Packs Weldr as published, installs it, and puts it and Node into the tree of the machines. */
async function install(): Promise<void> {
  const npm = (args: readonly string[], cwd: string) =>
    execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], { cwd, stdio: 'pipe' });
  npm(['pack', '--pack-destination', packed], project);
  const weldr = join(packed, 'weldr');
  execFileSync('mkdir', [weldr]);
  npm(['init', '-y'], weldr);
  npm(['pkg', 'set', 'type=module'], weldr);
  const [tarball = ''] = execFileSync('sh', ['-c', 'ls *.tgz'], { cwd: packed, encoding: 'utf8' }).split(
    '\n',
  );
  npm(['install', join(packed, tarball)], weldr);
  cpSync(process.execPath, join(packed, 'node'));
  await room.outside(
    `cp -r ${weldr} ${room.tree}/opt/weldr && cp ${join(packed, 'node')} ${room.tree}/usr/local/bin/node`,
  );
}

async function answersThroughAddress(): Promise<void> {
  const ask = "curl -s -m 1 -o /dev/null -w '%{http_code}' http://10.0.0.100/ || true";
  await until('the address answers', async () => (await room.inside(ask)) === '200', 30_000);
}

/** Runs a block of the page on these machines, at the same time; returns what the first of them printed. */
async function paste(name: string, ...machines: readonly Machine[]): Promise<string> {
  const block = page.get(name);
  if (block === undefined) throw new Error(`the page has no commands ${name}`);
  if (!run.includes(name)) run.push(name);
  const [first = ''] = await Promise.all(machines.map(machine => machine.output(block.text)));
  return first;
}

/** Returns the machine that holds the address, once b knows it, which takes up to 3 s. */
async function leader(): Promise<Machine> {
  let holder: string | undefined;
  await until('b knows who holds the address', async () => {
    const { text } = await b.run('weldr cluster status');
    holder = /^address +held by (a|b)$/m.exec(text)?.[1];
    return holder !== undefined;
  });
  return holder === 'a' ? a : b;
}

async function settled(machine: Machine): Promise<void> {
  let said = '';
  await until(
    'nothing is wrong in the cluster',
    async () => {
      const { code, text } = await machine.run('weldr cluster status');
      said = text;
      return code === 0;
    },
    60_000,
  ).catch(() => assert.unreachable(said));
}

async function whole(): Promise<void> {
  let said = '';
  await until(
    'etcd is healthy',
    async () => {
      const { code, text } = await a.run(`weldr cluster check ${all}`);
      said = text;
      return code === 0;
    },
    60_000,
  ).catch(() => assert.unreachable(said));
}

async function copy(from: Machine, path: string, to: Machine, as: string): Promise<void> {
  await room.outside(`cp -r ${from.root}/root/${path} ${to.root}/root/${as}`);
}

async function setUp(): Promise<void> {
  [a, b, c] = await Promise.all([room.boot('a', 1), room.boot('b', 2), room.boot('c', 3)]);
  await Promise.all([a, b].map(machine => machine.output('apt-get install -y libatomic1')));
  await paste('Install Weldr 2', a, b);
  // As Debian's package leaves it: each machine has an etcd that knows nothing of the others.
  await Promise.all([a, b, c].map(machine => machine.output('apt-get install -y etcd-server')));
  for (const machine of [a, b, c]) {
    assert.is((await machine.output('systemctl is-active etcd')).trim(), 'active');
    assert.is((await machine.output('ls /var/lib/etcd')).trim(), 'default');
  }
  assert.match(await paste('Write the settings 1', a), 'Written to weldr-cluster/: a, b, c.');
  for (const machine of [a, b, c]) await copy(a, `weldr-cluster/${machine.name}`, machine, 'weldr-node');
  // So that etcd can be filled quickly; everything else is as on the page.
  for (const machine of [a, b, c])
    await machine.output('echo ETCD_QUOTA_BACKEND_BYTES=16777216 >> weldr-node/etcd.env');
  assert.is((await a.run(page.get('Start etcd 2')?.text ?? '')).code, 1, 'it is not healthy before');
  await paste('Start etcd 1', a, b, c);
  await whole();
  assert.match(
    await paste('Start etcd 2', a),
    'etcd is healthy: these machines are one cluster with a leader',
  );
  await paste('Start Weldr 1', a, b);
}

if (missing === undefined) {
  test.before(async () => {
    packed = mkdtempSync(join(tmpdir(), 'weldr-packed-'));
    room = await MachineRoom.open(packages);
    await install();
    const answer = "require('node:http').createServer((q, r) => r.end('hello')).listen(8000)";
    const [command = '', ...args] = room.command(process.execPath, '-e', answer);
    origin = spawn(command, args, { stdio: 'ignore' });
    await setUp();
  });
  test.after(async () => {
    origin?.kill('SIGKILL');
    await room?.close();
    rmSync(packed, { recursive: true, force: true });
  });

  test('a pair is set up, serves through its address, and shares its pool', async () => {
    await paste('Check that it works 1', a);
    assert.match(await paste('Check that it works 2', b), 'http://10.0.0.50:8000');
    await answersThroughAddress();
    for (const machine of [a, b])
      assert.is((await machine.output('systemctl is-active weldr')).trim(), 'active');
    const holder = await leader();
    const journal = await holder.output('journalctl -u weldr -o cat');
    assert.ok(journal.includes('"fence":"nft","msg":"holding the address"'), journal.slice(-4000));
  });

  test('the address moves when Weldr is stopped, by a hand-over and for maintenance', async () => {
    const first = await leader();
    const second = first === a ? b : a;
    await paste('Check that it works 3', first);
    await answersThroughAddress();
    assert.match(await second.output('ip -4 address show eth0'), '10.0.0.100/24');
    await paste('Check that it works 4', first);
    await settled(first);
    assert.match(await paste('Hand over 1', a), `${second.name} has handed over to ${first.name}`);
    assert.match(await paste('Keep a node from leading 1', a), 'a is in maintenance and does not lead');
    assert.ok((await leader()) === b);
    await paste('Keep a node from leading 2', a);
    await answersThroughAddress();
  });

  test('the ports of etcd are closed to all but the machines', async () => {
    const ask = 'curl -s -m 2 http://10.0.0.3:2379/version';
    assert.match(await room.inside(ask), 'etcdserver');
    await paste('Requirements of etcd 1', a, b, c);
    assert.is(await room.inside(`${ask} || echo refused`), 'refused\n');
    await whole();
    await settled(a);
  });

  test('one node after another is restarted as for an upgrade', async () => {
    await paste('Upgrading 2', b);
    await paste('Upgrading 2', a);
    await answersThroughAddress();
  });

  test('etcd is backed up and restored', async () => {
    await paste('Back up 1', a);
    for (const machine of [b, c]) await copy(a, 'weldr-etcd.db', machine, 'weldr-etcd.db');
    await a.output('weldr servers remove http://10.0.0.50:8000');
    await paste('Restore 1', a, b, c);
    await paste('Restore 2', a, b, c);
    await whole();
    await settled(a);
    assert.match(await b.output('weldr servers'), 'http://10.0.0.50:8000');
    await answersThroughAddress();
  });

  test('an etcd that is out of space takes changes again', async () => {
    await a.run(
      "head -c 1000000 /dev/zero | tr '\\0' x > big; for i in $(seq 40); do etcdctl --endpoints=http://10.0.0.1:2379 put filler < big; done",
    );
    const { code, text } = await a.run(`weldr cluster check ${all}`);
    assert.is(code, 1);
    assert.match(text, '✘ a: its etcd is out of space');
    assert.is((await a.run('weldr servers add http://10.0.0.51:8000')).code, 1);
    await paste('When etcd is out of space 1', a);
    await settled(a);
    await a.output('weldr servers add http://10.0.0.51:8000 && weldr servers remove http://10.0.0.51:8000');
  });

  test('a third machine that died is replaced by a new one', async () => {
    await c.cutPower();
    assert.match((await a.run(`weldr cluster check ${all}`)).text, '✘ c: no etcd answers at 10.0.0.3');
    await paste('Replace a machine 1', a);
    c = await room.boot('c', 3);
    await copy(a, 'weldr-cluster/c', c, 'weldr-node');
    await paste('Replace a machine 3', c);
    await whole();
    await settled(a);
  });

  test('the address moves when the power of its machine is cut', async () => {
    const dead = await leader();
    const other = dead === a ? b : a;
    await dead.cutPower();
    await answersThroughAddress();
    const { code, text } = await other.run('weldr cluster status');
    assert.is(code, 1);
    assert.match(text, new RegExp(`^address +held by ${other.name}$`, 'm'));
    assert.match(text, `wrong: etcd at http://10.0.0.${dead === a ? 1 : 2}:2379`);
    assert.equal([...run].sort(), [...commandsRun].sort());
  });
} else {
  test.skip('each command works', missing, () => {});
}
