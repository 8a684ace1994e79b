// A pair with keepalived and its default timers, in the same lab with the same client, to compare with.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientReport, EndlessClient } from './endless-client.ts';
import { until } from './etcd-node.ts';
import { Lab, type LabMachine } from './lab.ts';

const address = '10.77.0.100';

/** Why keepalived cannot be run here; undefined: it can. */
export function whyNoKeepalived(): string | undefined {
  try {
    execFileSync('keepalived', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'keepalived is not installed';
  }
}

function config(state: string, priority: number): string {
  return `global_defs {
  router_id lab
}
vrrp_instance service {
  state ${state}
  interface eth0
  virtual_router_id 51
  priority ${priority}
  virtual_ipaddress {
    ${address}/24
  }
}
`;
}

/** Kills the machine of the master, then stops the master as planned. */
export async function playKeepalived(): Promise<{ name: string; report: ClientReport }[]> {
  const lab = new Lab();
  const directory = mkdtempSync(join(tmpdir(), 'weldr-keepalived-'));
  const machines = [21, 22].map((host, i) => lab.machine(`node${i}`, host));
  const start = (machine: LabMachine, i: number) => {
    machine.spawn(process.execPath, [
      '-e',
      "require('node:http').createServer((_, answer) => answer.end('hello')).listen(8080, '0.0.0.0')",
    ]);
    const path = join(directory, `${i}.conf`);
    writeFileSync(path, config(i === 0 ? 'MASTER' : 'BACKUP', 101 - i));
    machine.spawn('keepalived', ['-n', '-P', '-f', path, '-p', `${path}.pid`, '-r', `${path}.vrrp`]);
  };
  try {
    for (const [i, machine] of machines.entries()) start(machine, i);
    const [master, backup] = machines;
    if (master === undefined || backup === undefined) throw new Error('no machines');
    await until('the master holds the address', () => master.holds(address), 20_000);
    await sleep(2000);
    const client = new EndlessClient(lab.machine('client', 41), address, 8080);
    await until('the client is answered', () => client.answers > 20);
    const results: { name: string; report: ClientReport }[] = [];
    let from = Date.now();
    master.killAll();
    // A machine that died holds nothing; killed processes leave the address behind, which keepalived does not undo.
    master.setCut('service', true);
    await sleep(6000);
    results.push({ name: 'the active machine dies', report: client.report(from) });
    if (master.holds(address)) master.run('ip', ['addr', 'del', `${address}/24`, 'dev', 'eth0']);
    master.setCut('service', false);
    start(master, 0);
    await until('the master is back', () => master.holds(address), 20_000);
    await sleep(3000);
    from = Date.now();
    for (const pid of master.run('pgrep', ['-f', join(directory, '0.conf')]).split('\n')) {
      if (pid !== '' && master.pids().includes(Number(pid))) process.kill(Number(pid), 'SIGTERM');
    }
    await sleep(5000);
    results.push({ name: 'the active keepalived is stopped', report: client.report(from) });
    client.close();
    return results;
  } finally {
    await lab.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
