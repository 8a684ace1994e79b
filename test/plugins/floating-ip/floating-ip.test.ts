// floating-ip in network namespaces: the kernel drops an address that is not renewed, and neighbours learn which node has it.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { instantiate } from '../../../core/plugin/plugin-lists.ts';
import { type FloatingAddress, parseAddress } from '../../../plugins/floating-ip/address.ts';
import { floatingIp } from '../../../plugins/floating-ip/index.ts';
import { linkLocalAddress } from '../../../plugins/floating-ip/neighbour-solicitation.ts';
import { HolderWatch } from '../../cluster/holder-watch.ts';
import { Lab, type LabMachine, whyNoLab } from '../../cluster/lab.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { configErrorOf } from '../../support/weldr-error.ts';

const test = suite('floating-ip', { timeoutMs: 180_000 });
const missing = whyNoLab();
const v4 = '10.77.0.100';
const v6 = 'fd00:77::100';

function parsed(text: string): FloatingAddress {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is not an address`);
  return address;
}

/** An AddressHolder in a machine. */
class Driver {
  readonly child: ChildProcess;
  log = '';
  private readonly answers: { done: string; error?: string }[] = [];

  constructor(machine: LabMachine, addresses: readonly string[], before: readonly string[] = []) {
    const script = fileURLToPath(new URL('driver.ts', import.meta.url));
    const [program = process.execPath, ...args] = [...before, process.execPath, script, 'eth0', ...addresses];
    this.child = machine.spawn(program, args);
    if (this.child.stdout === null) throw new Error('no output to read');
    createInterface({ input: this.child.stdout }).on('line', line => this.answers.push(JSON.parse(line)));
    this.child.stderr?.setEncoding('utf8').on('data', text => {
      this.log += text;
    });
  }

  send(order: string, argument = 0): void {
    this.child.stdin?.write(`${JSON.stringify({ order, argument })}\n`);
  }

  async ask(order: string, argument = 0): Promise<string | undefined> {
    const before = this.answers.length;
    this.send(order, argument);
    await until(`${order} is answered`, () => this.answers.length > before);
    return this.answers.at(-1)?.error;
  }
}

function inLab(behaviour: string, body: (lab: Lab) => Promise<void>): void {
  const run = async () => {
    const lab = new Lab();
    try {
      await body(lab);
    } finally {
      await lab.close();
    }
  };
  if (missing === undefined) test(behaviour, run);
  else test.skip(behaviour, missing, run);
}

inLab('a held address stays until it is released', async lab => {
  const machine = lab.machine('a', 21);
  const driver = new Driver(machine, [`${v4}/24`, `${v6}/64`]);
  // Longer than the kernel's lifetime of 4 s, and each renewal well before its end, however slow the machine.
  for (let i = 0; i < 8; i++) {
    await driver.ask('hold', 5277);
    assert.ok(machine.holds(v4) && machine.holds(v6));
    await sleep(600);
  }
  await driver.ask('release');
  assert.not.ok(machine.holds(v4) || machine.holds(v6));
});

inLab(
  'the kernel drops the address of a killed process, and of a frozen one, before another node may act',
  async lab => {
    for (const [i, signal] of (['SIGKILL', 'SIGSTOP'] as const).entries()) {
      const machine = lab.machine(`m${i}`, 21 + i);
      const driver = new Driver(machine, [`${v4}/24`, `${v6}/64`]);
      const watch = new HolderWatch(v4, new Map([['it', machine]]));
      await sleep(200);
      await driver.ask('hold', 2277);
      const end = performance.now() + 2277;
      driver.child.kill(signal);
      await until('it is gone', () => !machine.holds(v4) && !machine.holds(v6), 5000);
      assert.ok(performance.now() < end, 'the kernel was in time');
      await until('the watch has seen it', () => watch.holders.length === 0);
      watch.close();
    }
  },
);

inLab('the kernel is in time also while other addresses come and go', async lab => {
  const machine = lab.machine('a', 21);
  const driver = new Driver(machine, [`${v4}/24`]);
  await driver.ask('hold', 2277);
  const end = performance.now() + 2277;
  driver.child.kill('SIGKILL');
  // A change shortly before the end makes the kernel look then, and again only a second later.
  await sleep(900);
  machine.run('ip', [
    'addr',
    'change',
    '10.77.0.7/24',
    'dev',
    'eth0',
    'valid_lft',
    '100',
    'preferred_lft',
    '100',
  ]);
  await until('it is gone', () => !machine.holds(v4), 5000);
  assert.ok(performance.now() < end);
});

inLab('a renewal that comes too late is not carried out', async lab => {
  const machine = lab.machine('a', 21);
  const driver = new Driver(machine, [`${v4}/24`]);
  await driver.ask('hold', 2000);
  assert.not.ok(machine.holds(v4));
  assert.match(driver.log, 'the address is not held');
});

inLab('a longer lease gives the kernel a longer lifetime', async lab => {
  const machine = lab.machine('a', 21);
  const driver = new Driver(machine, [`${v4}/24`]);
  await driver.ask('hold', 5200);
  // It counts down from 4 s; that of a lease of 2,277 ms counts from 1 s.
  assert.match(machine.run('ip', ['addr', 'show', 'dev', 'eth0']), /valid_lft [2-4]sec/);
});

inLab('a neighbour that knew another holder follows at once, over IPv4 and IPv6', async lab => {
  const a = lab.machine('a', 21);
  const b = lab.machine('b', 22);
  const client = lab.machine('c', 41);
  const first = new Driver(a, [`${v4}/24`, `${v6}/64`]);
  const second = new Driver(b, [`${v4}/24`, `${v6}/64`]);
  assert.is(await second.ask('check'), undefined);
  assert.is(await first.ask('check'), undefined);
  await first.ask('hold', 60_000);
  // Connecting makes the client look the neighbour up.
  const knock = (address: string) => {
    try {
      client.run('bash', ['-c', `exec 3<>/dev/tcp/${address}/9`], 2000);
    } catch {
      // Nothing listens there, and the refusal is an answer, too.
    }
  };
  const neighbour = (address: string) =>
    /lladdr (\S+)/.exec(client.run('ip', ['neigh', 'show', 'to', address, 'dev', 'eth0']))?.[1];
  const mac = (machine: LabMachine) => machine.run('cat', ['/sys/class/net/eth0/address']).trim();
  for (const address of [v4, v6]) {
    knock(address);
    assert.is(neighbour(address), mac(a), address);
  }
  await first.ask('release');
  await second.ask('hold', 60_000);
  await until('IPv4 is announced', () => neighbour(v4) === mac(b), 2000);
  await until('IPv6 is announced', () => neighbour(v6) === mac(b), 2000);
});

inLab(
  'behind nftables an address is silent in time although it is still configured, and other rules stay',
  async lab => {
    const machine = lab.machine('a', 21);
    const client = lab.machine('c', 41);
    machine.run('nft', ['add table inet other; add set inet other s { type ipv4_addr; }']);
    const driver = new Driver(machine, [`${v4}/24`, `${v6}/64`]);
    assert.is(await driver.ask('check'), undefined);
    const answers = (address: string, tool: string, args: readonly string[]): boolean => {
      try {
        client.run(tool, [...args, address]);
        return true;
      } catch {
        return false;
      }
    };
    const arp = () => answers(v4, 'arping', ['-q', '-c', '1', '-w', '1', '-I', 'eth0']);
    const port = ['-q', '--connect-timeout', '1', '-s'];
    await driver.ask('hold', 30_000);
    assert.ok(arp());
    await driver.ask('hold', 1500);
    driver.child.kill('SIGKILL');
    await until('the kernel silences it', () => !machine.holds(v4), 5000);
    assert.ok(machine.has(v4) && machine.has(v6), 'it is configured');
    assert.not.ok(arp());
    // Refused by a kernel that answers, 7; in time by one that is silent, 28.
    const code = client.run('bash', ['-c', `curl ${port.join(' ')} 'http://[${v6}]:9/'; echo $?`]).trim();
    assert.is(code, '28');
    assert.match(machine.run('nft', ['list', 'tables']), 'inet other');
  },
);

for (const { family, ip, text } of [parsed(`${v4}/24`), parsed(`${v6}/64`)]) {
  inLab(
    `an IPv${family} address that a foreign host has is not held until that host stops answering`,
    async lab => {
      const machine = lab.machine('a', 21);
      const foreign = lab.machine('f', 51);
      foreign.run('ip', ['addr', 'add', text, 'dev', 'eth0', ...(family === 6 ? ['nodad'] : [])]);
      await until('the machine can ask', () => !/tentative/.test(machine.run('ip', ['-6', 'addr'])), 10_000);
      const driver = new Driver(machine, [text]);
      assert.is(await driver.ask('check'), undefined);
      await driver.ask('hold', 60_000);
      await until('it is reported', () =>
        driver.log.includes(`${ip} is in use by another host (${foreign.mac})`),
      );
      await driver.ask('hold', 60_000);
      assert.not.ok(machine.has(ip));
      foreign.run('ip', ['addr', 'del', text, 'dev', 'eth0']);
      await until('it is held', async () => {
        await driver.ask('hold', 60_000);
        return machine.holds(ip);
      });
    },
  );
}

inLab('a start removes what an earlier one left', async lab => {
  const machine = lab.machine('a', 21);
  machine.run('ip', ['addr', 'add', `${v4}/24`, 'dev', 'eth0']);
  const driver = new Driver(machine, [`${v4}/24`]);
  assert.is(await driver.ask('check'), undefined);
  assert.not.ok(machine.holds(v4));
});

inLab('a missing privilege, interface or tool is reported at the start, with the remedy', async lab => {
  const machine = lab.machine('a', 21);
  const powerless = ['setpriv', '--bounding-set', '-net_admin,-net_raw'];
  const error = await new Driver(machine, [`${v4}/24`], powerless).ask('check');
  assert.match(error ?? '', /CAP_NET_ADMIN and CAP_NET_RAW/);
  const noRaw = ['setpriv', '--bounding-set', '-net_raw'];
  assert.match((await new Driver(machine, [`${v4}/24`], noRaw).ask('check')) ?? '', /CAP_NET_RAW/);
  machine.run('ip', ['link', 'set', 'eth0', 'down']);
  machine.run('ip', ['link', 'set', 'eth0', 'name', 'eth9']);
  assert.match((await new Driver(machine, [`${v4}/24`]).ask('check')) ?? '', /there is no interface eth0/);
  const noTools = ['env', 'PATH=/nonexistent'];
  assert.match((await new Driver(machine, [`${v4}/24`], noTools).ask('check')) ?? '', /install iproute2/);
});

/** Freezes the whole machine for longer than its lease; the address is gone then, and does not come back. */
async function freezeBeyondTheLease(machine: LabMachine, driver: Driver): Promise<void> {
  machine.signalAll('SIGSTOP');
  await sleep(2350);
  assert.not.ok(machine.holds(v4), 'the kernel has dropped it');
  const watch = new HolderWatch(v4, new Map([['it', machine]]));
  await sleep(100);
  // The commands first: the driver would kill one that took too long, when it is faster than the command.
  for (const pid of machine.pids()) if (pid !== driver.child.pid) process.kill(pid, 'SIGCONT');
  await sleep(100);
  machine.signalAll('SIGCONT');
  await sleep(300);
  watch.close();
  assert.equal(watch.holdings, [], 'it did not come back');
}

/** Makes a folder for the front of PATH with a `program` that can freeze before it does anything. */
class FreezingProgram {
  readonly folder = mkdtempSync(join(tmpdir(), 'weldr-freeze-'));
  private readonly wanted = join(this.folder, 'wanted');
  private readonly reached = join(this.folder, 'reached');

  constructor(program: string) {
    const real = execFileSync('which', [program], { encoding: 'utf8' }).trim();
    const script = `#!/bin/sh
if [ -e '${this.wanted}' ]; then rm '${this.wanted}'; : > '${this.reached}'; kill -STOP $$; fi
exec ${real} "$@"
`;
    writeFileSync(join(this.folder, program), script, { mode: 0o755 });
  }

  freezeNext(): void {
    writeFileSync(this.wanted, '');
  }

  get frozen(): boolean {
    return existsSync(this.reached);
  }

  close(): void {
    rmSync(this.folder, { recursive: true });
  }
}

// `perl` reads the clock and starts `ip`. Frozen before `perl`, a renewal finds that it is too late; frozen before `ip`, its alarm is
// due.
for (const program of ['perl', 'ip']) {
  inLab(`a renewal that was frozen before ${program} began does not bring the address back`, async lab => {
    const machine = lab.machine('a', 21);
    const freezing = new FreezingProgram(program);
    try {
      const path = `PATH=${freezing.folder}:${process.env['PATH']}`;
      const driver = new Driver(machine, [`${v4}/24`], ['env', path]);
      assert.is(await driver.ask('check'), undefined);
      freezing.freezeNext();
      driver.send('hold', 2277);
      await until(`${program} is frozen`, () => freezing.frozen);
      assert.not.ok(machine.holds(v4), 'it has not spoken to the kernel');
      await freezeBeyondTheLease(machine, driver);
    } finally {
      freezing.close();
    }
  });
}

inLab('a freeze at any moment of a renewal does not bring the address back', async lab => {
  const machine = lab.machine('a', 21);
  const driver = new Driver(machine, [`${v4}/24`]);
  assert.is(await driver.ask('check'), undefined);
  for (let turn = 0; turn < 8; turn++) {
    await until('the address is away', () => !machine.holds(v4), 4000);
    driver.send('hold', 2277);
    await sleep(turn);
    await freezeBeyondTheLease(machine, driver);
  }
});

test('neighbours are asked from a usable link-local address of the interface', () => {
  const [own, tentative, failed] = ['80', 'c0', '88'].map(
    (flags, i) => `fe80000000000000001122fffe33445${i} 02 40 20 ${flags}     eth0\n`,
  );
  const others = `fd000077000000000000000000000015 02 40 00 82     eth0
fe80000000000000001122fffe334459 03 40 20 80     eth1\n`;
  assert.is(linkLocalAddress(`${others}${tentative}${failed}`, 'eth0'), undefined);
  assert.is(
    linkLocalAddress(`${others}${tentative}${own}`, 'eth0'),
    'fe80:0000:0000:0000:0011:22ff:fe33:4450',
  );
});

test('addresses are parsed, and other texts are refused with their place', () => {
  assert.equal(parseAddress('10.0.0.100/24'), {
    ip: '10.0.0.100',
    prefixLength: 24,
    family: 4,
    text: '10.0.0.100/24',
  });
  assert.equal(parseAddress('FD00::1/64'), {
    ip: 'fd00::1',
    prefixLength: 64,
    family: 6,
    text: 'fd00::1/64',
  });
  for (const text of [
    '10.0.0.100',
    '10.0.0.256/24',
    '10.0.0.1/33',
    'fd00::1/129',
    '10.0.0.1/0',
    'a/24',
    '10.0.0.1/24 dev lo',
  ]) {
    assert.is(parseAddress(text), undefined, text);
  }
  const wrong = floatingIp({ address: ['10.0.0.100/24', '10.0.0.300/24'], interface: 'eth0' });
  const refused = configErrorOf(() => instantiate({ plugins: [wrong] }));
  assert.match(refused, 'plugins[0].address[1]: expected an address with its prefix length');
});
