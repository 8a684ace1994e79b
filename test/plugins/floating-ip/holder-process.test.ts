// The holder process in network namespaces: what happens to the address when managers are killed or frozen.
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { Lab, type LabMachine, whyNoLab } from '../../cluster/lab.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('holder process', { timeoutMs: 120_000 });
const missing = whyNoLab();
const v4 = '10.77.0.100';
const v6 = 'fd00:77::100';

/** A server in place of etcd, which prints the requests it receives. */
const listener = `require('node:http').createServer((request, answer) => {
  let body = '';
  request.on('data', part => { body += part; });
  request.on('end', () => { console.log(body); answer.end('{}'); });
}).listen(2379, '127.0.0.1', () => console.log('up'))`;

/** A manager with its holder process in a machine. */
class Manager {
  readonly child: ChildProcess;
  readonly lines: Record<string, unknown>[] = [];
  log = '';

  constructor(machine: LabMachine, path?: string) {
    const script = fileURLToPath(new URL('manager.ts', import.meta.url));
    const env = path === undefined ? [] : ['env', `PATH=${path}`];
    const [program = '', ...args] = [
      ...env,
      process.execPath,
      script,
      'eth0',
      'http://127.0.0.1:2379',
      `${v4}/24`,
      `${v6}/64`,
    ];
    this.child = machine.spawn(program, args);
    if (this.child.stdout === null) throw new Error('no output to read');
    createInterface({ input: this.child.stdout }).on('line', line => this.lines.push(JSON.parse(line)));
    this.child.stderr?.setEncoding('utf8').on('data', text => {
      this.log += text;
    });
  }

  async ready(): Promise<void> {
    await this.reports('it is ready', line => line['ready'] !== undefined);
  }

  async reports(what: string, is: (line: Record<string, unknown>) => boolean): Promise<void> {
    await until(`${what}: ${this.log}`, () => this.lines.some(is), 30_000);
  }

  /** Sends an order, and waits until it is done. */
  async order(order: string, argument = ''): Promise<void> {
    const before = this.lines.filter(line => line['done'] === order).length;
    this.child.stdin?.write(`${JSON.stringify({ order, argument })}\n`);
    await until(order, () => this.lines.filter(line => line['done'] === order).length > before, 30_000);
  }

  /** Its holder process. */
  get holder(): number {
    const { pid = 0 } = this.child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number);
    return children[0] ?? 0;
  }
}

/** The requests that the listener of a machine has received. */
async function listen(machine: LabMachine): Promise<string[]> {
  const lines: string[] = [];
  const child = machine.spawn(process.execPath, ['-e', listener]);
  if (child.stdout === null) throw new Error('no output to read');
  createInterface({ input: child.stdout }).on('line', line => lines.push(line));
  await until('it listens', () => lines.length > 0, 20_000);
  lines.length = 0;
  return lines;
}

function inLab(behaviour: string, body: (machine: LabMachine) => Promise<void>): void {
  const run = async () => {
    const lab = new Lab();
    try {
      await body(lab.machine('a', 21));
    } finally {
      await lab.close();
    }
  };
  if (missing === undefined) test(behaviour, run);
  else test.skip(behaviour, missing, run);
}

const holds = (machine: LabMachine) => machine.holds(v4) && machine.holds(v6);

inLab(
  'a frozen manager loses its address and its leadership for good, and so does a killed one',
  async machine => {
    const asked = await listen(machine);
    const manager = new Manager(machine);
    await manager.ready();
    await manager.order('lead', 'one');
    await until('it holds', () => holds(machine));

    manager.child.kill('SIGSTOP');
    await until('the leadership is ended', () => asked.length > 0);
    assert.not.ok(machine.has(v4) || machine.has(v6), 'the address is gone before that');
    assert.equal(asked, ['{"session":"one"}']);
    manager.child.kill('SIGCONT');
    await manager.reports('that it has to step down', line => /silent/.test(String(line['objection'])));
    assert.not.ok(machine.has(v4), 'it does not come back');

    await manager.order('release');
    await manager.order('lead', 'two');
    await until('it holds again', () => holds(machine));
    const { holder } = manager;
    manager.child.kill('SIGKILL');
    await until('the leadership is ended', () => asked.length > 1);
    assert.not.ok(machine.has(v4) || machine.has(v6));
    assert.equal(asked, ['{"session":"one"}', '{"session":"two"}']);
    await until('the holder process ends', () => !machine.pids().includes(holder));
    assert.not.match(machine.run('nft', ['list', 'tables']), 'weldr_', 'and leaves no table');
  },
);

inLab('a holder process that dies or hangs is replaced, and the address stays', async machine => {
  const asked = await listen(machine);
  const manager = new Manager(machine);
  await manager.ready();
  await manager.order('lead', 'one');
  await until('it holds', () => holds(machine));

  const first = manager.holder;
  process.kill(first, 'SIGKILL');
  await until('another one holds', () => manager.lines.filter(({ held }) => held === true).length > 1);

  const second = manager.holder;
  process.kill(second, 'SIGSTOP');
  await until('the kernel silences the address', () => !holds(machine));
  await until('there is another', () => manager.holder !== second && manager.holder !== 0);
  await until('it holds', () => holds(machine));
  assert.equal(asked, [], 'the leadership stays');

  // After a release the next leader need not wait, so it must not be reported merely because no process runs.
  process.kill(manager.holder, 'SIGKILL');
  await manager.order('release');
  assert.not.ok(holds(machine), 'a released address is gone');
  await manager.order('lead', 'one');
  await until('it holds', () => holds(machine));

  // A firewall that is reloaded.
  machine.run('nft', ['flush', 'ruleset']);
  await until('the table is made again', () =>
    machine.run('nft', ['list', 'tables']).includes('inet weldr_'),
  );
  await until('it holds', () => holds(machine));
  // The log comes through a separate pipe.
  await until('the log reports it', () =>
    manager.log.includes('the table of nftables that guards the address was removed'),
  );

  await manager.order('end');
  assert.not.ok(machine.has(v4));
  assert.not.match(machine.run('nft', ['list', 'tables']), 'weldr_');
});

inLab('without nft the address has a lifetime, and the leadership is still ended', async machine => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-path-'));
  try {
    for (const tool of ['ip', 'arping', 'perl']) {
      symlinkSync(machine.run('which', [tool]).trim(), join(folder, tool));
    }
    const asked = await listen(machine);
    const manager = new Manager(machine, folder);
    await manager.ready();
    assert.is(manager.lines.find(line => line['ready'] !== undefined)?.['ready'], 2277);
    assert.match(manager.log, 'nft is not installed');
    manager.child.stdin?.write(`${JSON.stringify({ order: 'lead', argument: 'one' })}\n`);
    await manager.reports('that a lease of 1 s is too short', line =>
      /too short/.test(String(line['complaint'])),
    );
    manager.child.kill('SIGKILL');
    await until('the leadership is ended', () => asked.length > 0);
    await sleep(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
