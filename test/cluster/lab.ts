// Machines made of network namespaces on one network or two. The bridges are in a separate namespace, so that removing
// the namespaces removes everything.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabMachine } from './lab-machine.ts';

export type { LabMachine } from './lab-machine.ts';

/** Returns why namespaces cannot be created here; undefined if they can. */
export function whyNoLab(): string | undefined {
  const name = `weldr-try-${process.pid}`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' });
  } catch {
    return 'network namespaces cannot be made here (needs root and iproute2)';
  }
  try {
    execFileSync('ip', ['-n', name, 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1'], {
      stdio: 'ignore',
    });
    execFileSync('ip', ['-n', name, 'link', 'add', 'br0', 'type', 'bridge'], { stdio: 'ignore' });
  } catch {
    return 'veth pairs or bridges cannot be made here';
  } finally {
    execFileSync('ip', ['netns', 'del', name], { stdio: 'ignore' });
  }
  return whyNoTool('arping', ['-V'], 'iputils-arping') ?? whyNoTool('nft', ['--version'], 'nftables');
}

function whyNoTool(name: string, args: readonly string[], debianPackage: string): string | undefined {
  try {
    execFileSync(name, args, { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${name} is not installed (Debian: ${debianPackage})`;
  }
}

/** The networks: every machine is in `main`; a lab may also have `control`, for etcd alone. */
export type LabNetwork = 'main' | 'control';

let labs = 0;

/** A small data centre; `close` when done. */
export class Lab {
  private readonly prefix = `wl${process.pid.toString(36)}${labs++}`;
  private readonly networks: readonly LabNetwork[];
  private readonly machines: LabMachine[] = [];

  constructor(networks: readonly LabNetwork[] = ['main']) {
    this.networks = networks;
    this.ip('netns', 'add', this.switch);
    for (const network of networks) {
      this.ip('-n', this.switch, 'link', 'add', network, 'type', 'bridge');
      this.ip('-n', this.switch, 'link', 'set', network, 'up');
    }
  }

  /** The namespace with the bridges. */
  get switch(): string {
    return `${this.prefix}-sw`;
  }

  /** Adds a machine; `host` is the last number of its addresses: 10.77.0.x in `main`, 10.78.0.x in `control`. */
  machine(name: string, host: number): LabMachine {
    const machine = new LabMachine({
      lab: this,
      networks: this.networks,
      namespace: `${this.prefix}-${name}`,
      port: `p${this.machines.length}`,
      host,
    });
    this.machines.push(machine);
    return machine;
  }

  /** Reconnects every machine, and continues what is frozen. */
  heal(): void {
    for (const machine of this.machines) {
      machine.setCut(false);
      machine.setCable('up');
      machine.signalAll('SIGCONT');
    }
  }

  ip(...args: string[]): string {
    return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Kills everything that runs in the machines, and removes them. */
  async close(): Promise<void> {
    for (const machine of this.machines) {
      machine.killAll();
      await sleep(10);
      this.ip('netns', 'del', machine.namespace);
    }
    this.ip('netns', 'del', this.switch);
  }
}
