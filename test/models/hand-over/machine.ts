// A model of a machine: a clock, a kernel, and the processes of a Weldr.
import type { Cluster } from './cluster.ts';
import { Holder } from './holder.ts';
import { Kernel } from './kernel.ts';
import { Manager } from './manager.ts';

/** One node of the cluster. */
export class Machine {
  readonly cluster: Cluster;
  readonly name: number;
  readonly kernel: Kernel;
  frozenUntil = 0;
  /** Of its candidacy. */
  readonly priority: number;
  /** The number of tickets for its fence so far. */
  tickets = 0;
  /** Cut off from etcd, and from the other nodes, until these times. */
  etcdCutUntil = 0;
  peersCutUntil = 0;
  manager: Manager | undefined;
  readonly holders = new Set<Holder>();
  private readonly rate: number;
  private pausedUntil = 0;
  private paused = 0;

  constructor(cluster: Cluster, name: number) {
    this.cluster = cluster;
    this.name = name;
    this.priority = 100 + (name % 2) * 50;
    // Two clocks differ by 1 % at most.
    this.rate = 1 + cluster.chance.between(-0.005, 0.005);
    this.kernel = new Kernel(this);
  }

  get now(): number {
    return this.cluster.queue.now;
  }

  /** The monotonic clock. It stands still while the whole machine is paused. */
  clock(): number {
    return (this.now - this.paused + Math.max(0, this.pausedUntil - this.now)) / this.rate;
  }

  /** Calls `fn` after some ms of the machine's clock. */
  timer(ms: number, fn: () => void): void {
    const due = this.clock() + ms;
    const { queue } = this.cluster;
    const look = () => {
      const left = due - this.clock();
      if (left <= 1e-6) fn();
      else queue.at(this.now + left * this.rate + Math.max(0, this.pausedUntil - this.now), look);
    };
    queue.at(this.now + ms * this.rate, look);
  }

  // --- what happens to it ----------------------------------------------------------------------------------------

  start(): void {
    if (this.manager?.alive) return;
    this.manager = new Manager(this);
    this.manager.start();
  }

  /** Freezes all processes of the machine; its kernel continues. */
  freeze(span: number): void {
    this.frozenUntil = Math.max(this.frozenUntil, this.now + span);
  }

  /** Pauses the kernel, too. */
  pause(span: number): void {
    if (this.now < this.pausedUntil) return;
    this.pausedUntil = this.now + span;
    this.paused += span;
    this.freeze(span);
  }

  /** The manager ends; its holder notices when the pipe closes. */
  killManager(): void {
    const { manager } = this;
    if (!manager?.alive) return;
    manager.kill();
    for (const holder of this.holders) holder.pipeClosed();
  }

  killHolders(): void {
    for (const holder of this.holders) holder.kill();
    this.holders.clear();
  }

  newHolder(manager: Manager): Holder {
    const holder = new Holder(this, manager);
    this.holders.add(holder);
    return holder;
  }
}
