// LabMachine: a network namespace as a machine, and the faults of a machine.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Lab, LabNetwork } from './lab.ts';

const subnets: Readonly<Record<LabNetwork, number>> = { main: 77, control: 78 };

/** The interfaces of each machine. */
export const devices: Readonly<Record<LabNetwork, string>> = { main: 'eth0', control: 'eth1' };

/** The place of a machine in the lab. */
export interface LabPlace {
  readonly lab: Lab;
  readonly networks: readonly LabNetwork[];
  readonly namespace: string;
  /** Prefix of its ports at the switch. */
  readonly port: string;
  /** The last number of its addresses. */
  readonly host: number;
}

/** A program's output, and how it ended. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One namespace, as a machine. */
export class LabMachine {
  readonly namespace: string;
  private readonly place: LabPlace;
  /** Processes that only observe this machine, and are not part of it. */
  private readonly onlookers = new Set<number>();

  constructor(place: LabPlace) {
    this.place = place;
    this.namespace = place.namespace;
    place.lab.ip('netns', 'add', this.namespace);
    place.lab.ip('-n', this.namespace, 'link', 'set', 'lo', 'up');
    for (const network of place.networks) this.plugIn(network);
  }

  private plugIn(network: LabNetwork): void {
    const { lab, host } = this.place;
    const device = devices[network];
    const port = this.portOf(network);
    const { namespace } = this;
    lab.ip('-n', lab.switch, 'link', 'add', port, 'type', 'veth', 'peer', 'name', device, 'netns', namespace);
    lab.ip('-n', lab.switch, 'link', 'set', port, 'master', network, 'up');
    const subnet = subnets[network];
    lab.ip('-n', namespace, 'addr', 'add', `10.${subnet}.0.${host}/24`, 'dev', device);
    lab.ip('-n', namespace, '-6', 'addr', 'add', `fd00:${subnet}::${host}/64`, 'dev', device, 'nodad');
    lab.ip('-n', namespace, 'link', 'set', device, 'up');
  }

  private portOf(network: LabNetwork): string {
    return `${this.place.port}${devices[network]}`;
  }

  address(network: LabNetwork = 'main'): string {
    return `10.${subnets[network]}.0.${this.place.host}`;
  }

  /** Its link-layer address. */
  get mac(): string {
    return this.run('cat', [`/sys/class/net/${devices.main}/address`]).trim();
  }

  /** The prefix of a command that runs here. */
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

  /** Runs a program here to its end; the code is -1 when a signal ended it. */
  async result(
    program: string,
    args: readonly string[],
    options: { cwd?: string; input?: string } = {},
  ): Promise<ProgramResult> {
    const child = this.spawn(program, args, options.cwd === undefined ? {} : { cwd: options.cwd });
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', text => {
      stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', text => {
      stderr += text;
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
    const [code] = await once(child, 'close');
    return { code: code ?? -1, stdout, stderr };
  }

  /** The processes that run here. */
  pids(): number[] {
    const all = this.place.lab.ip('netns', 'pids', this.namespace).split('\n').filter(Boolean).map(Number);
    return all.filter(pid => !this.onlookers.has(pid));
  }

  /** Sends a signal to every process here. */
  signalAll(signal: NodeJS.Signals): void {
    for (const pid of this.pids()) sendSignal(pid, signal);
  }

  killAll(): void {
    this.signalAll('SIGKILL');
  }

  /**
   * The machine loses its power: no frame leaves it any more, not even the resets that a kernel sends for killed
   * processes, and nothing that was set at run time exists when it starts again.
   */
  die(): void {
    this.setCut(true);
    this.killAll();
    for (const address of this.foreignAddresses()) this.removeAddress(address);
    this.run('nft', ['flush', 'ruleset']);
  }

  /** Takes this machine out of its networks, or puts it back: frames vanish, the link stays up. */
  setCut(cut: boolean, networks = this.place.networks): void {
    const { lab } = this.place;
    for (const network of networks) {
      lab.ip(
        '-n',
        lab.switch,
        'link',
        'set',
        this.portOf(network),
        ...(cut ? ['nomaster'] : ['master', network]),
      );
    }
  }

  /** Unplugs the cables, or plugs them in: the link goes down and up. */
  setCable(state: 'up' | 'down', networks = this.place.networks): void {
    const { lab } = this.place;
    for (const network of networks) lab.ip('-n', lab.switch, 'link', 'set', this.portOf(network), state);
  }

  /** Loads a ruleset of nftables here. */
  filter(rules: string): void {
    const [ip = 'ip', ...rest] = this.command;
    execFileSync(ip, [...rest, 'nft', '-f', '-'], { input: rules, stdio: ['pipe', 'ignore', 'pipe'] });
  }

  /**
   * Delays connections from other machines to these ports each way by `ms`, `jitterMs` more or less. Only new
   * connections: call it before the listener is started.
   */
  async slowDown(ports: readonly number[], delayMs: number, jitterMs: number): Promise<void> {
    const script = fileURLToPath(new URL('slow-link.ts', import.meta.url));
    const offset = 10_000;
    for (const port of ports) {
      const args = [
        script,
        String(port + offset),
        this.address(),
        String(port),
        String(delayMs),
        String(jitterMs),
      ];
      const relay = this.spawn(process.execPath, args);
      if (relay.stdout !== null) await once(relay.stdout, 'data');
      this.filter(`table ip slow-link-${port} {
        chain arriving {
          type nat hook prerouting priority dstnat;
          iifname "${devices.main}" tcp dport ${port} redirect to :${port + offset}
        }
      }`);
    }
  }

  /** Gives this machine an address of another. */
  addAddress(address: string): void {
    this.place.lab.ip('-n', this.namespace, 'addr', 'add', `${address}/24`, 'dev', devices.main);
  }

  removeAddress(address: string): void {
    try {
      this.place.lab.ip('-n', this.namespace, 'addr', 'del', `${address}/24`, 'dev', devices.main);
    } catch (thrown) {
      // It may never have existed, or its lifetime may have ended just now.
      if (this.has(address)) throw thrown;
    }
  }

  private foreignAddresses(): string[] {
    const text = this.place.lab.ip('-n', this.namespace, '-o', '-4', 'addr', 'show', 'dev', devices.main);
    return [...text.matchAll(/ inet ([\d.]+)\//g)]
      .map(([, address = '']) => address)
      .filter(address => address !== this.address());
  }

  /**
   * Makes a private link between this machine and the switch, through which its kernel can be probed for an address
   * whatever happens to its networks. Returns the probe's source address in the namespace of the switch.
   */
  addProbeLink(address: string): string {
    const { lab, host, port } = this.place;
    const [near, far] = [`10.79.${host}.1`, `10.79.${host}.2`];
    const device = `${port}probe`;
    const table = String(100 + host);
    const peer = ['peer', 'name', 'probe0', 'netns', this.namespace];
    lab.ip('-n', lab.switch, 'link', 'add', device, 'type', 'veth', ...peer);
    lab.ip('-n', lab.switch, 'addr', 'add', `${near}/24`, 'dev', device);
    lab.ip('-n', lab.switch, 'link', 'set', device, 'up');
    lab.ip('-n', this.namespace, 'addr', 'add', `${far}/24`, 'dev', 'probe0');
    lab.ip('-n', this.namespace, 'link', 'set', 'probe0', 'up');
    lab.ip('-n', lab.switch, 'rule', 'add', 'from', near, 'table', table);
    lab.ip('-n', lab.switch, 'route', 'add', address, 'via', far, 'table', table);
    return near;
  }

  /** Whether a Weldr here guards its addresses with nftables. */
  get isFenced(): boolean {
    return this.run('nft', ['list', 'tables']).includes(' weldr_');
  }

  /** Whether no fence of an address blocks its packets. */
  private get isOpen(): boolean {
    const sets = this.run('nft', ['list', 'sets', 'inet']).split('table ');
    const fences = sets.filter(text => /^inet weldr_/.test(text));
    return fences.every(text => /set held \{[^}]*elements/.test(text));
  }

  /** Starts a program that prints each change of this machine's addresses with its time. Freezing does not stop it. */
  watchAddresses(): ChildProcess {
    const child = spawn('ip', ['-n', this.namespace, '-o', '-ts', 'monitor', 'address'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (child.pid !== undefined) this.onlookers.add(child.pid);
    return child;
  }

  /** Whether it has this address now, and may answer for it. */
  holds(address: string): boolean {
    return this.has(address) && this.isOpen;
  }

  /** Whether this address is on an interface. */
  has(address: string): boolean {
    return this.place.lab.ip('-n', this.namespace, '-o', 'addr', 'show').includes(` ${address}/`);
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has already ended.
  }
}
