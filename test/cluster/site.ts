// Site: where a cluster runs in the lab: machines that may hold the service address, one more, origins and a client.
import type { createServer } from 'node:http';
import { until } from '../support/until.ts';
import { EndlessClient } from './endless-client.ts';
import { HolderWatch } from './holder-watch.ts';
import { Lab, type LabNetwork } from './lab.ts';
import type { LabMachine } from './lab-machine.ts';

/** The address that clients use. */
export const serviceAddress = '10.77.0.100';
/** The port of the service. */
export const servicePort = 8080;
/** The ports of the origins; all but the first are added and removed. */
export const originPorts = [8000, 8001, 8002, 8003, 8004, 8005];
/** How long a start may take on a busy machine, ms. */
export const startLimit = 60_000;
/** Machines that may hold the address, with the last numbers of their addresses; c runs the third member of etcd. */
const holderHosts = [
  ['a', 1],
  ['b', 2],
  ['d', 4],
  ['e', 5],
] as const;
const originHost = 31;

/** Source of a faulty plugin for a config: it never returns from a request for `/hang`. */
export const hangingPlugin = `const hanging = definePlugin({
  name: 'hanging',
  worker({ hooks }) {
    hooks.request.tap('hanging', ctx => {
      if (ctx.request.target === '/hang') for (;;);
    });
  },
});
`;

/** Machines, origins, client and the watch of the holders. */
export class Site {
  readonly lab: Lab;
  /** The machines that may hold the address, by name. */
  readonly machines: ReadonlyMap<string, LabMachine>;
  readonly originMachine: LabMachine;
  readonly clientMachine: LabMachine;
  readonly watch: HolderWatch;
  private endless: EndlessClient | undefined;

  /** `count` machines that may hold the address. */
  constructor(count: number, networks: readonly LabNetwork[] = ['main']) {
    this.lab = new Lab(networks);
    this.machines = new Map(
      holderHosts.slice(0, count).map(([name, host]) => [name, this.lab.machine(name, host)]),
    );
    this.originMachine = this.lab.machine('origin', originHost);
    this.clientMachine = this.lab.machine('client', 41);
    this.watch = new HolderWatch(serviceAddress, this.machines, this.lab);
    this.originMachine.spawn(process.execPath, ['-e', `(${serveOrigins})(${JSON.stringify(originPorts)})`]);
  }

  get client(): EndlessClient {
    if (this.endless === undefined) throw new Error('the client does not run');
    return this.endless;
  }

  /** Starts the client, and waits until it is answered. */
  async startClient(): Promise<void> {
    this.endless = new EndlessClient(this.clientMachine, serviceAddress, servicePort);
    await until('the client is answered', () => this.client.answers > 20, 20_000);
  }

  originUrl(port: number): string {
    return `http://${this.originMachine.address()}:${port}`;
  }

  /** Hides the origins from one machine. */
  hideOriginsFrom(machine: LabMachine): void {
    this.originMachine.filter(`table ip hidden {
      chain arriving { type filter hook prerouting priority 0; ip saddr ${machine.address()} drop; }
    }`);
  }

  /** Undoes the faults of machines and networks; killed processes stay dead. */
  heal(): void {
    this.lab.heal();
    this.originMachine.run('nft', ['flush', 'ruleset']);
  }

  /** Throws when the watch of the holders missed something. */
  async close(): Promise<void> {
    this.endless?.close();
    for (const machine of this.machines.values()) machine.signalAll('SIGCONT');
    try {
      await until('the watch agrees with the kernels', () => this.watch.agrees, 2000).catch(() => {});
      this.watch.close();
    } finally {
      await this.lab.close();
    }
  }
}

// Runs in a separate process, as text.
function serveOrigins(ports: readonly number[]): void {
  const create: typeof createServer = process.getBuiltinModule('node:http').createServer;
  for (const port of ports) {
    const server = create(({ url }, answer) => {
      if (url === '/slow') setTimeout(() => answer.end('hello'), 40);
      else answer.end('hello');
    });
    server.listen(port, '0.0.0.0');
  }
}
