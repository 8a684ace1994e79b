// PoolChurn: adds and removes servers through the nodes' admin APIs without end, and remembers what was acknowledged.
import { setTimeout as sleep } from 'node:timers/promises';
import { originPorts } from './site.ts';
import type { World } from './world.ts';
import type { WorldNode } from './world-node.ts';

const pauseMs = 200;

/** Changes the pool until it is stopped. */
export class PoolChurn {
  acknowledged = 0;
  /** Changes that were refused or got no answer. */
  refused = 0;
  private readonly world: World;
  private readonly ports: readonly number[];
  /** The expected state of each port in the end; `unknown`: the last change got no answer. */
  private readonly expected = new Map<number, 'in' | 'out' | 'unknown'>();
  /** The last changes of each port, with their answers. */
  private readonly history = new Map<number, string[]>();
  private stopped = false;
  private readonly running: Promise<void>;

  constructor(world: World) {
    this.world = world;
    this.ports = originPorts.slice(1);
    this.running = this.run();
  }

  /** Stops, and waits until all nodes agree. Resolves with descriptions of the acknowledged changes that were lost. */
  async stop(): Promise<string[]> {
    await this.halt();
    const end = Date.now() + 15_000;
    for (;;) {
      const lost = await this.differences();
      if (lost.length === 0 || Date.now() > end) return lost;
      await sleep(200);
    }
  }

  async halt(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  private async run(): Promise<void> {
    for (let turn = 0; !this.stopped; turn++) {
      const port = this.ports[turn % this.ports.length] ?? 0;
      const running = this.world.nodes.filter(candidate => candidate.runs);
      const node = running[turn % Math.max(1, running.length)];
      if (node !== undefined) await this.change(node, port);
      await sleep(pauseMs);
    }
  }

  private async change(node: WorldNode, port: number): Promise<void> {
    const add = this.expected.get(port) !== 'in';
    const before = this.expected.get(port) ?? 'out';
    this.expected.set(port, 'unknown');
    const asked = Date.now();
    const { status, text } = add
      ? await node.admin('POST', '/servers', { url: this.world.originUrl(port) })
      : await node.admin('DELETE', `/servers/${this.world.originMachine.address()}/${port}?force`);
    const line = `${new Date(asked).toISOString().slice(14, 23)} ${add ? 'add' : 'remove'} by ${node.name}: ${status} after ${Date.now() - asked} ms ${status < 300 ? '' : text.slice(0, 80)}`;
    this.history.set(port, [...(this.history.get(port) ?? []), line].slice(-8));
    if (status >= 200 && status < 300) {
      this.acknowledged++;
      // A server that existed already is not written: an earlier removal without an answer may still be under way in a member
      // of etcd that was cut off, and may correctly happen later.
      const wroteNothing = add && status === 200 && before === 'unknown';
      if (!wroteNothing) this.expected.set(port, add ? 'in' : 'out');
      return;
    }
    this.refused++;
    // With 404 and 409 nothing was done; a 503 may have been done anyway, and 0 is no answer.
    if (status === 404 || status === 409) this.expected.set(port, before);
  }

  private async differences(): Promise<string[]> {
    const found: string[] = [];
    for (const node of this.world.nodes) {
      if (!node.runs) continue;
      const ports = await node.ports();
      for (const [port, state] of this.expected) {
        if (state !== 'unknown' && ports.includes(port) !== (state === 'in')) {
          const history = (this.history.get(port) ?? []).map(line => `\n      ${line}`).join('');
          found.push(`${node.name}: port ${port} should be ${state}${history}`);
        }
      }
    }
    return found;
  }
}
