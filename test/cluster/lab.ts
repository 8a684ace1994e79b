// Machines made of network namespaces: each with a leg in a service network (clients, origins) and one in a control
// network (etcd). Their bridges are in a namespace of their own, so that removing the namespaces removes all.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

/** Why namespaces cannot be made here; undefined: they can. */
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
  try {
    execFileSync('arping', ['-V'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'arping is not installed (Debian: iputils-arping)';
  }
}

/** The two networks. */
export type LabNetwork = 'service' | 'control';

const subnets: Readonly<Record<LabNetwork, number>> = { service: 77, control: 78 };
let labs = 0;

/** A small data centre; `close` when done. */
export class Lab {
  private readonly prefix = `wl${process.pid.toString(36)}${labs++}`;
  private readonly machines: LabMachine[] = [];

  constructor() {
    this.ip('netns', 'add', this.switch);
    for (const network of ['service', 'control']) {
      this.ip('-n', this.switch, 'link', 'add', network, 'type', 'bridge');
      this.ip('-n', this.switch, 'link', 'set', network, 'up');
    }
  }

  /** The namespace with the bridges. */
  get switch(): string {
    return `${this.prefix}-sw`;
  }

  /** A new machine; `host` is the last number of its addresses 10.77.0.x (service) and 10.78.0.x (control). */
  machine(name: string, host: number): LabMachine {
    const machine = new LabMachine(this, `${this.prefix}-${name}`, `p${this.machines.length}`, host);
    this.machines.push(machine);
    return machine;
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

/** One namespace, as a machine. */
export class LabMachine {
  readonly namespace: string;
  private readonly lab: Lab;
  private readonly port: string;
  private readonly host: number;
  /** What only looks at this machine, and is not part of it. */
  private readonly onlookers = new Set<number>();

  constructor(lab: Lab, namespace: string, port: string, host: number) {
    this.lab = lab;
    this.namespace = namespace;
    this.port = port;
    this.host = host;
    lab.ip('netns', 'add', namespace);
    lab.ip('-n', namespace, 'link', 'set', 'lo', 'up');
    for (const [network, device] of Object.entries(devices)) this.plugIn(network, device);
  }

  private plugIn(network: string, device: string): void {
    const { lab, namespace } = this;
    const port = `${this.port}${device}`;
    lab.ip('-n', lab.switch, 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', namespace);
    lab.ip('-n', lab.switch, 'link', 'set', port, 'master', network, 'up');
    const subnet = network === 'service' ? subnets.service : subnets.control;
    lab.ip('-n', namespace, 'addr', 'add', `10.${subnet}.0.${this.host}/24`, 'dev', device);
    lab.ip('-n', namespace, '-6', 'addr', 'add', `fd00:${subnet}::${this.host}/64`, 'dev', device, 'nodad');
    lab.ip('-n', namespace, 'link', 'set', device, 'up');
  }

  address(network: LabNetwork): string {
    return `10.${subnets[network]}.0.${this.host}`;
  }

  /** Put before a command that runs here. */
  get command(): string[] {
    return ['ip', 'netns', 'exec', this.namespace];
  }

  /** Starts a program here. */
  spawn(
    program: string,
    args: readonly string[],
    options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
  ): ChildProcess {
    const [ip = 'ip', ...rest] = this.command;
    return spawn(ip, [...rest, program, ...args], { ...options, stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** Runs a program here to its end. Throws when it fails. */
  run(program: string, args: readonly string[], ms = 10_000): string {
    const [ip = 'ip', ...rest] = this.command;
    return execFileSync(ip, [...rest, program, ...args], {
      encoding: 'utf8',
      timeout: ms,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** The processes that run here. */
  pids(): number[] {
    const all = this.lab.ip('netns', 'pids', this.namespace).split('\n').filter(Boolean).map(Number);
    return all.filter(pid => !this.onlookers.has(pid));
  }

  /** Sends a signal to every process here. */
  signalAll(signal: NodeJS.Signals): void {
    for (const pid of this.pids()) sendSignal(pid, signal);
  }

  killAll(): void {
    this.signalAll('SIGKILL');
  }

  /** Takes this machine's leg out of a network, or puts it back: frames vanish, the link stays up. */
  setCut(network: LabNetwork, cut: boolean): void {
    const port = `${this.port}${devices[network]}`;
    this.lab.ip('-n', this.lab.switch, 'link', 'set', port, ...(cut ? ['nomaster'] : ['master', network]));
  }

  /** Pulls the cable of a network, or plugs it in: the link goes down and up. */
  setCable(network: LabNetwork, state: 'up' | 'down'): void {
    this.lab.ip('-n', this.lab.switch, 'link', 'set', `${this.port}${devices[network]}`, state);
  }

  /** Starts a program that prints each change of this machine's addresses, with the time. Freezing does not stop it. */
  watchAddresses(): ChildProcess {
    const child = spawn('ip', ['-n', this.namespace, '-o', '-ts', 'monitor', 'address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (child.pid !== undefined) this.onlookers.add(child.pid);
    return child;
  }

  /** Starts a program that prints each change of the tables of nftables. Freezing does not stop it. */
  watchGuards(): ChildProcess {
    const [ip = 'ip', ...rest] = this.command;
    const child = spawn(ip, [...rest, 'nft', 'monitor'], { stdio: ['ignore', 'pipe', 'ignore'] });
    if (child.pid !== undefined) this.onlookers.add(child.pid);
    return child;
  }

  /** Has this address now, and may answer for it? */
  holds(address: string): boolean {
    return this.has(address) && this.isOpen;
  }

  /** Is this address on an interface? */
  has(address: string): boolean {
    return this.lab.ip('-n', this.namespace, '-o', 'addr', 'show').includes(` ${address}/`);
  }

  /** Does no guard of an address hold up its packets? */
  private get isOpen(): boolean {
    const sets = this.run('nft', ['list', 'sets', 'inet']).split('table ');
    const guards = sets.filter(text => /^inet weldr_/.test(text));
    return guards.every(text => /set held \{[^}]*elements/.test(text));
  }
}

/** The interfaces of each machine. */
export const devices: Readonly<Record<LabNetwork, string>> = { service: 'eth0', control: 'eth1' };

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended by itself meanwhile.
  }
}
