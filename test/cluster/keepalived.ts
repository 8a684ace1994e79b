// KeepalivedPair: two Weldrs whose address keepalived moves, with its default timers, on the same site: for comparison.
import { type ChildProcess, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import type { LabMachine } from './lab-machine.ts';
import { hangingPlugin, Site, serviceAddress, servicePort, startLimit } from './site.ts';
import { WorldNode } from './world-node.ts';

/** Returns why keepalived cannot run here; undefined if it can. */
export function whyNoKeepalived(): string | undefined {
  try {
    execFileSync('keepalived', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'keepalived is not installed';
  }
}

// The check that users write so that a master whose proxy does not serve hands over.
function keepalivedConfig(state: string, priority: number): string {
  return `global_defs {
  router_id lab
  script_user root
  enable_script_security
}
vrrp_script serves {
  script "/usr/bin/curl -sf -o /dev/null -m 1 http://127.0.0.1:${servicePort}/"
}
vrrp_instance service {
  state ${state}
  interface eth0
  virtual_router_id 51
  priority ${priority}
  virtual_ipaddress {
    ${serviceAddress}/24
  }
  track_script {
    serves
  }
}
`;
}

/** Both machines, with origins and a client. */
export class KeepalivedPair extends Site {
  readonly nodes: WorldNode[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'weldr-keepalived-'));
  private readonly children = new Map<WorldNode, ChildProcess>();

  private constructor() {
    super(2);
    for (const [name, machine] of this.machines)
      this.nodes.push(new WorldNode(name, machine, this.weldrConfig()));
  }

  /** Starts the pair; resolves when the client is answered. */
  static async start(): Promise<KeepalivedPair> {
    const pair = new KeepalivedPair();
    try {
      for (const node of pair.nodes) pair.boot(node);
      await pair.settled();
      await pair.startClient();
      return pair;
    } catch (thrown) {
      await pair.close().catch(() => {});
      throw new Error(`keepalived did not start: ${thrown}`, { cause: thrown });
    }
  }

  /** The node that holds the address. */
  get active(): WorldNode {
    const node = this.nodes.find(({ name }) => name === this.watch.holders[0]);
    if (node === undefined) throw new Error('no node holds the address');
    return node;
  }

  /** Starts what does not run on a machine. */
  boot(node: WorldNode): void {
    node.machine.setCut(false);
    if (!node.runs) node.start();
    if (this.processes(node.machine).length > 0) return;
    // A killed keepalived leaves its address behind.
    node.machine.removeAddress(serviceAddress);
    const index = this.nodes.indexOf(node);
    const path = join(this.directory, `${node.name}.conf`);
    writeFileSync(path, keepalivedConfig(index === 0 ? 'MASTER' : 'BACKUP', 101 - index));
    const files = ['-f', path, '-p', `${path}.pid`, '-r', `${path}.vrrp`];
    this.children.set(node, node.machine.spawn('keepalived', ['-n', '-P', '-l', ...files]));
  }

  /** Signals the first process of keepalived, which an init system would signal, or all of them. */
  signal(node: WorldNode, signal: NodeJS.Signals, whom: 'first' | 'all'): void {
    if (whom === 'first') this.children.get(node)?.kill(signal);
    else for (const pid of this.processes(node.machine)) process.kill(pid, signal);
  }

  private processes(machine: LabMachine): number[] {
    return machine.pids().filter(pid => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('keepalived');
      } catch {
        return false;
      }
    });
  }

  /** Undoes the faults of a scenario; `settled` follows. */
  restore(): void {
    this.heal();
    for (const node of this.nodes) this.boot(node);
  }

  /** Waits until the master holds the address alone, and both serve. */
  async settled(): Promise<void> {
    for (const node of this.nodes) {
      await until(
        `${node.name} serves`,
        async () => (await node.admin('GET', '/readyz')).status === 200,
        startLimit,
      );
    }
    await until(
      'the master holds the address',
      () => this.watch.holders.join() === this.nodes[0]?.name,
      startLimit,
    );
    // The other one hears the master only with its next advertisement.
    await sleep(1500);
  }

  override async close(): Promise<void> {
    try {
      await super.close();
    } finally {
      for (const node of this.nodes) node.remove();
      rmSync(this.directory, { recursive: true, force: true });
    }
  }

  private weldrConfig(): string {
    return `import { defineConfig, definePlugin } from 'weldr';
import { adminApi, healthCheck, roundRobin } from 'weldr/plugins';
${hangingPlugin}
export default defineConfig({
  listen: '0.0.0.0:${servicePort}',
  workers: 1,
  servers: ['${this.originUrl(8000)}'],
  plugins: [hanging(), roundRobin(), healthCheck({ interval: '1s' }), adminApi({ listen: '127.0.0.1:8687' })],
});
`;
  }
}
