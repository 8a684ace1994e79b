// World: the documented cluster on a site of the lab: Weldr on machines a and b, etcd on a, b and c.
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { EtcdCluster, type EtcdMemberPlace } from './etcd-cluster.ts';
import type { LabMachine } from './lab-machine.ts';
import { hangingPlugin, Site, serviceAddress, servicePort, startLimit } from './site.ts';
import { type PackageVersion, VersionPackages } from './version-package.ts';
import { WorldNode } from './world-node.ts';

/** Where etcd runs: on the machines of the Weldrs and a third, or on three machines with a separate network. */
export type Variant = 'shared' | 'apart';

/** The settings of etcd that docs/cluster.md recommends, and etcd's own. */
export const etcdSettings = {
  recommended: [
    '--heartbeat-interval=50',
    '--election-timeout=500',
    '--pre-vote=true',
    '--auto-compaction-retention=1h',
  ],
  plain: ['--heartbeat-interval=100', '--election-timeout=1000', '--pre-vote=false'],
} as const satisfies Record<string, readonly string[]>;

/** The settings of etcd. */
export type EtcdSettings = keyof typeof etcdSettings;

/** The options of a world. */
export interface WorldOptions {
  readonly variant?: Variant;
  readonly etcd?: EtcdSettings;
  /** More arguments for etcd. */
  readonly etcdArgs?: readonly string[];
  /** Each member of etcd is a separate cluster, as Debian's package starts it before it is configured. */
  readonly separateEtcds?: true;
  /** Delay each way between the machines and an etcd on another one, ms. */
  readonly etcdDelay?: { readonly ms: number; readonly jitter: number };
  readonly weldrs?: number;
  readonly workers?: number;
  /** More options of the plugin etcd, as text of the config. */
  readonly etcdOptions?: string;
  /** Each Weldr has failsafe. */
  readonly failsafe?: true;
  readonly checkEvery?: string;
  /** Runs a package of this version instead of the working tree; see `packages`. */
  readonly version?: PackageVersion;
  /** No node may hold the address in this world, so its start does not wait for that. */
  readonly holderless?: true;
}

const clientPort = 2379;
const peerPort = 2380;

/** The whole cluster; `close` when done. */
export class World extends Site {
  readonly options: WorldOptions;
  readonly nodes: WorldNode[] = [];
  private readonly etcdMachines: readonly LabMachine[];
  private readonly etcds: EtcdCluster[] = [];
  /** Versions to install, where `version` is an option. */
  readonly packages: VersionPackages | undefined;

  private constructor(options: WorldOptions) {
    const apart = options.variant === 'apart';
    super(options.weldrs ?? 2, apart ? ['main', 'control'] : ['main']);
    this.options = options;
    this.packages = options.version === undefined ? undefined : new VersionPackages();
    const [a, b] = [...this.machines.values()];
    this.etcdMachines =
      apart || a === undefined || b === undefined
        ? [11, 12, 13].map(host => this.lab.machine(`etcd${host}`, host))
        : [a, b, this.lab.machine('c', 3)];
  }

  /** Starts everything; resolves when the client is answered. */
  static async start(options: WorldOptions = {}): Promise<World> {
    const world = new World(options);
    try {
      await world.startEtcd();
      world.startWeldrs();
      await world.settled();
      if (!options.holderless) await world.startClient();
      return world;
    } catch (thrown) {
      const logs = world.nodes
        .map(({ name, lines }) => `${name}:\n${lines.slice(-30).join('\n')}`)
        .join('\n');
      await world.close().catch(() => {});
      throw new Error(`the world did not start: ${thrown}\n${logs}`, { cause: thrown });
    }
  }

  /** etcd; with `separateEtcds` the one on machine a. */
  get etcd(): EtcdCluster {
    const [first] = this.etcds;
    if (first === undefined) throw new Error('etcd does not run');
    return first;
  }

  /** The Weldr that holds the address. */
  get active(): WorldNode {
    const name = this.watch.holders[0];
    const node = this.nodes.find(candidate => candidate.name === name);
    if (node === undefined) throw new Error('no Weldr holds the address');
    return node;
  }

  /** The first Weldr that does not hold it. */
  get passive(): WorldNode {
    const node = this.nodes.find(candidate => !this.watch.holders.includes(candidate.name));
    if (node === undefined) throw new Error('every Weldr holds the address');
    return node;
  }

  /** The member of etcd on the machine of a Weldr; undefined without one. */
  memberOf(node: WorldNode): number | undefined {
    const index = this.etcdMachines.indexOf(node.machine);
    return index < 0 ? undefined : index;
  }

  /** The members of etcd that are not on the machine of a Weldr; at least two. */
  membersBeside(node: WorldNode): number[] {
    const own = this.memberOf(node) ?? 0;
    return [0, 1, 2].filter(index => index !== own);
  }

  /** Moves etcd's leader to the machine of a Weldr. Not possible with a separate etcd. */
  async leadEtcdFrom(node: WorldNode): Promise<void> {
    const member = this.memberOf(node);
    if (member === undefined) throw new Error(`there is no etcd on ${node.name}`);
    await this.etcd.lead(member);
    await sleep(500);
  }

  /** Starts everything on a machine that died, or whose processes ended. */
  boot(node: WorldNode): void {
    node.machine.setCut(false);
    const member = this.memberOf(node);
    if (member !== undefined && !this.etcd.runs(member)) this.etcd.startMember(member);
    if (!node.runs) node.start();
  }

  /** Undoes the faults of a scenario; `settled` follows. */
  async restore(): Promise<void> {
    this.heal();
    if (!this.options.separateEtcds) {
      for (const index of this.etcdMachines.keys()) {
        if (!this.etcd.runs(index)) this.etcd.startMember(index);
      }
      await this.etcd.ready();
    }
    for (const node of this.nodes) if (!node.runs) node.start();
  }

  /** Waits until one Weldr holds the address and every running one answers for the whole pool. */
  async settled(): Promise<void> {
    const { holderless } = this.options;
    if (!holderless) {
      const isHeld = () => {
        const ended = this.nodes.find(node => node.failed);
        if (ended !== undefined) throw new Error(`${ended.name} has ended unexpectedly`);
        return this.watch.holders.length > 0;
      };
      await until('a node holds the address', isHeld, startLimit);
    }
    for (const node of this.nodes) {
      if (!node.runs) continue;
      if (holderless) await until(`${node.name} answers`, () => node.view(), startLimit);
      else await until(`${node.name} is in step`, () => node.isInStep(), startLimit);
    }
  }

  override async close(): Promise<void> {
    try {
      await super.close();
    } finally {
      for (const node of this.nodes) node.remove();
      for (const etcd of this.etcds) await etcd.close();
      this.packages?.remove();
    }
  }

  private async startEtcd(): Promise<void> {
    const { etcdDelay, separateEtcds, etcd = 'recommended', etcdArgs = [] } = this.options;
    const network = this.options.variant === 'apart' ? 'control' : 'main';
    const places = this.etcdMachines.map(
      (machine): EtcdMemberPlace => ({
        address: machine.address(network),
        clientPort,
        peerPort,
        command: machine.command,
        ...(separateEtcds && { peerAddress: 'localhost' }),
      }),
    );
    for (const machine of this.etcdMachines) {
      if (etcdDelay) await machine.slowDown([clientPort, peerPort], etcdDelay.ms, etcdDelay.jitter);
    }
    const args = [...etcdSettings[etcd], ...etcdArgs];
    for (const group of separateEtcds ? places.map(place => [place]) : [places]) {
      this.etcds.push(await EtcdCluster.start({ places: group, args }));
    }
  }

  private startWeldrs(): void {
    const { version } = this.options;
    for (const [name, machine] of this.machines) {
      const node = new WorldNode(name, machine, this.config(name, machine));
      if (this.packages !== undefined && version !== undefined) node.install(this.packages, version);
      this.nodes.push(node);
    }
    for (const node of this.nodes) node.start();
  }

  private config(name: string, machine: LabMachine): string {
    const { workers = 1, etcdOptions = '', checkEvery = '1s' } = this.options;
    const all = this.etcds.flatMap(({ hosts }) => hosts);
    const failsafe = this.options.failsafe
      ? `failsafe: { listen: '${machine.address()}:8690', secret: 'the secret of the lab' },`
      : '';
    const isOwn = (host: string) => host === `http://${machine.address()}:${clientPort}`;
    const hosts = [...all.filter(isOwn), ...all.filter(host => !isOwn(host))];
    return `import { defineConfig, definePlugin } from 'weldr';
import { adminApi, etcd, floatingIp, healthCheck, roundRobin } from 'weldr/plugins';

${hangingPlugin}
export default defineConfig({
  listen: { address: '0.0.0.0:${servicePort}', h2c: true },
  workers: ${workers},
  servers: ['${this.originUrl(8000)}'],
  plugins: [
    hanging(),
    roundRobin(),
    healthCheck({ interval: '${checkEvery}' }),
    etcd({ hosts: ${JSON.stringify(hosts)}, nodeName: '${name}', ${failsafe} ${etcdOptions} }),
    floatingIp({ address: '${serviceAddress}/24', interface: 'eth0' }),
    adminApi({ listen: '127.0.0.1:8687' }),
  ],
});
`;
  }
}
