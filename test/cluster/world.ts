// World: three members of etcd, some Weldrs, origins and a client, each on a machine of the lab.
import type { ChildProcess } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { makeFolder } from '../support/weldr.ts';
import { EndlessClient } from './endless-client.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import { until } from './etcd-node.ts';
import { HolderWatch } from './holder-watch.ts';
import { Lab, type LabMachine } from './lab.ts';

/** The address that clients use. */
export const serviceAddress = '10.77.0.100';
const originPorts = [8000, 8001, 8002, 8003, 8004, 8005];
const command = fileURLToPath(new URL('../../bin/weldr.ts', import.meta.url));

/** A Weldr on its machine. */
export class WorldNode {
  readonly name: string;
  readonly machine: LabMachine;
  /** The lines that it logged. */
  readonly lines: string[] = [];
  private readonly folder = makeFolder();
  private child: ChildProcess | undefined;

  constructor(name: string, machine: LabMachine, config: string) {
    this.name = name;
    this.machine = machine;
    writeFileSync(join(this.folder, 'weldr.config.ts'), config);
  }

  start(): void {
    this.child = this.machine.spawn(process.execPath, ['-C', 'weldr-source', command, 'start'], {
      cwd: this.folder,
      env: { ...process.env, NODE_ENV: 'production' },
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', text => this.lines.push(text));
    }
  }

  /** The manager's process. */
  get pid(): number {
    const { pid } = this.child ?? {};
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  get runs(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Signals the manager; resolves when it is gone for SIGTERM and SIGKILL. */
  async signal(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || !this.runs) return;
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill(signal);
    if (signal === 'SIGTERM' || signal === 'SIGKILL') await gone;
  }

  /** Calls its admin API. The status is 0 when there is no answer. */
  async admin(method: string, path: string, body?: unknown): Promise<{ status: number; text: string }> {
    const data = body === undefined ? [] : ['-d', JSON.stringify(body)];
    const args = [
      '-s',
      '-m',
      '5',
      '-X',
      method,
      ...data,
      '-w',
      '\n%{http_code}',
      `http://127.0.0.1:8687${path}`,
    ];
    const child = this.machine.spawn('curl', args);
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', text => {
      output += text;
    });
    await new Promise(resolve => child.once('close', resolve));
    const split = output.lastIndexOf('\n');
    return { status: Number(output.slice(split + 1)), text: output.slice(0, Math.max(0, split)) };
  }

  /** The ports of the servers in its pool. */
  async ports(): Promise<number[]> {
    const { status, text } = await this.admin('GET', '/servers');
    if (status !== 200) return [];
    const { servers } = JSON.parse(text) as { servers: { port: number | string; reason: string }[] };
    return servers
      .filter(({ reason }) => reason !== 'removed')
      .map(({ port }) => Number(port))
      .sort();
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** All of it; `close` when done. */
export class World {
  readonly lab = new Lab();
  readonly nodes: WorldNode[] = [];
  private etcdCluster: EtcdCluster | undefined;
  private watcher: HolderWatch | undefined;
  private endless: EndlessClient | undefined;
  private originMachine: LabMachine | undefined;

  /** Starts all of it; resolves when the client is being answered. */
  static async start(weldrs = 2): Promise<World> {
    const world = new World();
    try {
      await world.startEtcd();
      world.startOrigins();
      world.startWeldrs(weldrs);
      await world.settled();
      world.endless = new EndlessClient(world.lab.machine('client', 41), serviceAddress, 8080);
      await until('the client is answered', () => world.client.answers > 20, 20_000);
      return world;
    } catch (thrown) {
      const logs = world.nodes
        .map(({ name, lines }) => `${name}:\n${lines.slice(-30).join('\n')}`)
        .join('\n');
      await world.close();
      throw new Error(`the world did not start\n${logs}`, { cause: thrown });
    }
  }

  get etcd(): EtcdCluster {
    if (this.etcdCluster === undefined) throw new Error('etcd does not run');
    return this.etcdCluster;
  }

  get client(): EndlessClient {
    if (this.endless === undefined) throw new Error('the client does not run');
    return this.endless;
  }

  get watch(): HolderWatch {
    if (this.watcher === undefined) throw new Error('nobody watches');
    return this.watcher;
  }

  /** The Weldr that holds the address. */
  get active(): WorldNode {
    const name = this.watch.holders[0];
    const node = this.nodes.find(candidate => candidate.name === name);
    if (node === undefined) throw new Error('no Weldr holds the address');
    return node;
  }

  get passive(): WorldNode[] {
    return this.nodes.filter(node => !this.watch.holders.includes(node.name));
  }

  /** Waits until one Weldr holds the address and every running one answers for the whole pool. */
  async settled(): Promise<void> {
    await until('somebody holds the address', () => this.watch.holders.length > 0, 20_000);
    for (const node of this.nodes) {
      if (!node.runs) continue;
      await until(
        `${node.name} is in step`,
        async () => {
          const { status, text } = await node.admin('GET', '/cluster');
          if ((await node.admin('GET', '/readyz')).status !== 200) return false;
          return status === 200 && !JSON.parse(text).stale && (await node.ports()).length > 0;
        },
        20_000,
      );
    }
  }

  async close(): Promise<void> {
    this.endless?.close();
    for (const node of this.nodes) node.machine.signalAll('SIGCONT');
    try {
      this.watcher?.close();
    } finally {
      for (const node of this.nodes) {
        await node.signal('SIGKILL');
        node.remove();
      }
      await this.etcdCluster?.close();
      await this.lab.close();
    }
  }

  private async startEtcd(): Promise<void> {
    const machines = [11, 12, 13].map((host, i) => this.lab.machine(`etcd${i}`, host));
    this.etcdCluster = await EtcdCluster.start({
      places: machines.map(machine => ({
        address: machine.address('control'),
        clientPort: 2379,
        peerPort: 2380,
        command: machine.command,
      })),
    });
  }

  private startOrigins(): void {
    this.originMachine = this.lab.machine('origin', 31);
    const script = `for (const port of ${JSON.stringify(originPorts)})
      require('node:http').createServer((_, answer) => answer.end('hello')).listen(port, '0.0.0.0')`;
    this.originMachine.spawn(process.execPath, ['-e', script]);
  }

  private startWeldrs(count: number): void {
    for (let i = 0; i < count; i++) {
      const name = `weldr${i}`;
      this.nodes.push(new WorldNode(name, this.lab.machine(name, 21 + i), this.config(name)));
    }
    this.watcher = new HolderWatch(
      serviceAddress,
      new Map(this.nodes.map(node => [node.name, node.machine])),
    );
    for (const node of this.nodes) node.start();
  }

  private config(name: string): string {
    return `import { defineConfig } from 'weldr';
import { adminApi, etcd, floatingIp, healthCheck, roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '0.0.0.0:8080',
  workers: 1,
  servers: ['${this.originUrl(8000)}'],
  plugins: [
    roundRobin(),
    healthCheck({ interval: '1s' }),
    etcd({ hosts: ${JSON.stringify(this.etcd.hosts)}, nodeName: '${name}' }),
    floatingIp({ address: '${serviceAddress}/24', interface: 'eth0' }),
    adminApi({ listen: '127.0.0.1:8687' }),
  ],
});
`;
  }

  originUrl(port: number): string {
    return `http://10.77.0.31:${port}`;
  }
}
