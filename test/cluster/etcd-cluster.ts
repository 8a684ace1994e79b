// Real members of etcd for tests: on free loopback ports, or each in a separate network namespace.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Returns why etcd cannot run here; undefined if it can. */
export function whyNoEtcd(): string | undefined {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'etcd is not installed (Debian: etcd-server)';
  }
}

/** Where one member runs. */
export interface EtcdMemberPlace {
  readonly address: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** The address for the other members; default: `address`. */
  readonly peerAddress?: string;
  /** A prefix of the command, such as `ip netns exec NAME`. */
  readonly command?: readonly string[];
}

/** How the members are started. */
export interface EtcdClusterOptions {
  /** Members on loopback ports; default 1. Not used with `places`. */
  readonly size?: number;
  readonly places?: readonly EtcdMemberPlace[];
  /** More arguments for each member. */
  readonly args?: readonly string[];
  readonly scheme?: 'http' | 'https';
  /** More arguments for etcdctl. */
  readonly ctl?: readonly string[];
}

/** Some members of etcd; `close` when done. */
export class EtcdCluster {
  readonly directory = mkdtempSync(join(tmpdir(), 'weldr-etcd-'));
  readonly hosts: readonly string[];
  private readonly places: readonly EtcdMemberPlace[];
  private readonly options: EtcdClusterOptions;
  private readonly children: (ChildProcess | undefined)[] = [];

  private constructor(places: readonly EtcdMemberPlace[], options: EtcdClusterOptions) {
    this.places = places;
    this.options = options;
    this.hosts = places.map(({ address, clientPort }) => `${this.scheme}://${address}:${clientPort}`);
  }

  /** Starts them and waits until they have elected a leader. */
  static async start(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    const places = options.places ?? (await loopbackPlaces(options.size ?? 1));
    const cluster = new EtcdCluster(places, options);
    for (const index of places.keys()) cluster.startMember(index);
    await cluster.ready();
    return cluster;
  }

  private get scheme(): string {
    return this.options.scheme ?? 'http';
  }

  /** Starts a member that does not run, with its previous data. */
  startMember(index: number): void {
    const place = this.places[index];
    if (place === undefined) throw new Error(`there is no member ${index}`);
    const { address, clientPort, command = [] } = place;
    const peer = peerUrl(place);
    const client = `${this.scheme}://${address}:${clientPort}`;
    const [program = 'etcd', ...args] = [
      ...command,
      'etcd',
      ...['--name', `m${index}`, '--data-dir', this.dataDirectory(index)],
      ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
      ...['--listen-client-urls', client, '--advertise-client-urls', client],
      ...['--initial-cluster', this.places.map((other, i) => `m${i}=${peerUrl(other)}`).join(',')],
      ...['--initial-cluster-state', 'new'],
      ...(this.options.args ?? []),
    ];
    this.children[index] = spawn(program, args, { stdio: 'ignore' });
  }

  dataDirectory(index: number): string {
    return join(this.directory, `m${index}`);
  }

  /** The process of a member. */
  pid(index: number): number {
    const pid = this.children[index]?.pid;
    if (pid === undefined) throw new Error(`member ${index} does not run`);
    return pid;
  }

  /** Whether this member runs. */
  runs(index: number): boolean {
    const child = this.children[index];
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Sends a signal; after SIGKILL waits until the member has ended. */
  async signal(index: number, signal: NodeJS.Signals): Promise<void> {
    const child = this.children[index];
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill(signal);
    if (signal === 'SIGKILL') await gone;
  }

  /** Waits until a majority answers. */
  async ready(timeout = 20_000): Promise<void> {
    const end = Date.now() + timeout;
    while (Date.now() < end) {
      if ((await this.leader()) !== undefined) return;
      await sleep(50);
    }
    throw new Error('etcd did not become ready');
  }

  /** The index of etcd's leader. */
  async leader(): Promise<number | undefined> {
    for (const index of this.places.keys()) {
      const status = this.ctl(['endpoint', 'status', '-w', 'json', '--command-timeout=1s'], index);
      if (status === undefined) continue;
      const { header, leader } = JSON.parse(status)[0].Status;
      if (header.member_id === leader) return index;
    }
    return undefined;
  }

  /** Makes a member etcd's leader, unless it is already. */
  async lead(index: number): Promise<void> {
    const status = this.ctl(['endpoint', 'status', '-w', 'json'], index);
    // As text: the id is larger than a number can hold exactly.
    const id = /"member_id":(\d+)/.exec(status ?? '')?.[1];
    if (id === undefined) throw new Error(`member ${index} of etcd does not answer`);
    const end = Date.now() + 10_000;
    while (Date.now() < end) {
      const leader = await this.leader();
      if (leader === index) return;
      if (leader !== undefined) this.ctl(['move-leader', BigInt(id).toString(16)], leader);
      await sleep(200);
    }
    throw new Error(`member ${index} did not become etcd's leader`);
  }

  /** Runs etcdctl against one member; undefined when it failed. */
  ctl(args: readonly string[], index = 0): string | undefined {
    const place = this.places[index];
    const [program = 'etcdctl', ...rest] = [...(place?.command ?? []), 'etcdctl', ...args];
    try {
      return execFileSync(
        program,
        [...rest, `--endpoints=${this.hosts[index]}`, ...(this.options.ctl ?? [])],
        {
          env: { ...process.env, ETCDCTL_API: '3' },
          encoding: 'utf8',
          stdio: ['ignore', 'pipe', 'ignore'],
          timeout: 5000,
        },
      );
    } catch {
      return undefined;
    }
  }

  /** Puts the content of a file under a key; ignores a refusal. Nodes in this process renew their leases meanwhile. */
  async put(key: string, file: string): Promise<void> {
    const input = openSync(file, 'r');
    const child = spawn('etcdctl', ['put', key, `--endpoints=${this.hosts[0]}`], {
      env: { ...process.env, ETCDCTL_API: '3' },
      stdio: [input, 'ignore', 'ignore'],
    });
    closeSync(input);
    await once(child, 'exit');
  }

  /** Restores a member that does not run from a backup, and starts it. */
  async restore(index: number, backup: string): Promise<void> {
    const place = this.places[index];
    if (place === undefined) throw new Error(`there is no member ${index}`);
    const directory = this.dataDirectory(index);
    rmSync(directory, { recursive: true, force: true });
    const peer = peerUrl(place);
    execFileSync(
      'etcdctl',
      [
        ...['snapshot', 'restore', backup, '--name', `m${index}`, '--data-dir', directory],
        ...['--initial-cluster', `m${index}=${peer}`, '--initial-advertise-peer-urls', peer],
      ],
      { env: { ...process.env, ETCDCTL_API: '3' }, stdio: 'ignore' },
    );
    this.startMember(index);
    await this.ready();
  }

  /** Kills all members and removes their data. */
  async close(): Promise<void> {
    for (const index of this.children.keys()) {
      await this.signal(index, 'SIGCONT');
      await this.signal(index, 'SIGKILL');
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function peerUrl({ address, peerAddress = address, peerPort }: EtcdMemberPlace): string {
  return `http://${peerAddress}:${peerPort}`;
}

async function loopbackPlaces(size: number): Promise<EtcdMemberPlace[]> {
  const ports = await freePorts(size * 2);
  return Array.from({ length: size }, (_, index) => ({
    address: '127.0.0.1',
    clientPort: ports[2 * index] ?? 0,
    peerPort: ports[2 * index + 1] ?? 0,
  }));
}

/** Loopback ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(server => new Promise(resolve => server.once('listening', resolve))));
  const ports = servers.map(server => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}
