// A model of the hand-over (plugins/etcd/election.ts, plugins/floating-ip): machines with drifting clocks whose
// processes are frozen, killed and cut off at random, kernels that are late, an etcd that changes its leader and loses
// its majority. It searches for two machines that hold the address at once, and for an address that no machine holds
// although all is well.
import type { BoardView } from './board.ts';
import { Chance, EventQueue } from './event-queue.ts';
import { LeaseService } from './lease-service.ts';
import { Machine } from './machine.ts';
import type { Manager } from './manager.ts';
import { Network } from './network.ts';
import type { Adversary, Protocol } from './protocol.ts';

/** The whole model. */
export class Cluster {
  readonly queue = new EventQueue();
  readonly chance: Chance;
  readonly net: Network;
  readonly etcds: readonly LeaseService[];
  readonly machines: Machine[] = [];
  readonly p: Protocol;
  readonly a: Adversary;
  /** Descriptions of moments with two holders. */
  readonly twoHolders: string[] = [];
  /** Descriptions of moments without a holder although all was well. */
  readonly noHolder: string[] = [];
  handOvers = 0;
  /** Whether faults occur now. */
  stormy = true;
  private stormEnds = 0;
  /** Factor by which this storm's faults are rarer than in the worst. */
  private temper = 1;
  private mustHold = false;
  private lastHolder: Machine | undefined;

  constructor(p: Protocol, a: Adversary, seed: number) {
    this.p = p;
    this.a = a;
    this.chance = new Chance(seed * 7919);
    this.net = new Network(this);
    const { queue, chance } = this;
    const told = {
      deleted: () => {
        for (const { manager } of this.machines) manager?.keyIsGone();
      },
      board: (view: BoardView) => {
        for (const { manager } of this.machines) if (manager?.alive) this.tellOfBoard(manager, view);
      },
    };
    this.etcds = Array.from(
      { length: a.split ? 3 : 1 },
      (_, identity) => new LeaseService(queue, chance, p.lease, told, identity),
    );
    for (let i = 0; i < a.nodes; i++) this.machines.push(new Machine(this, i));
  }

  /** Runs to the end, or to the limit of steps; returns the number of steps. */
  run(): number {
    for (const machine of this.machines) machine.start();
    this.storm();
    for (const machine of this.machines) this.hurt(machine);
    for (const etcd of this.etcds) this.hurtEtcd(etcd);
    return this.queue.runUntil(this.a.duration, this.a.steps);
  }

  /** A machine has taken the address. */
  held(machine: Machine): void {
    const now = Math.round(this.queue.now);
    for (const other of this.machines) {
      if (other !== machine && other.kernel.held) {
        this.twoHolders.push(`${other.name} and ${machine.name} at ${now} ms`);
      }
    }
    if (this.lastHolder !== machine) this.handOvers++;
    this.lastHolder = machine;
  }

  /** A machine has lost the address. */
  letGo(): void {
    this.lookForHolder();
  }

  /** Passes the board to a node's watch. */
  private tellOfBoard(manager: Manager, view: BoardView): void {
    const { queue, net } = this;
    if (!this.p.orders || queue.now < manager.machine.etcdCutUntil) return;
    queue.at(queue.now + net.delay(), () => manager.step(() => manager.candidate?.sees(view)));
  }

  private lookForHolder(): void {
    if (!this.mustHold || this.machines.some(({ kernel }) => kernel.held)) return;
    this.mustHold = false;
    this.noHolder.push(`at ${Math.round(this.queue.now)} ms`);
  }

  // --- the weather -----------------------------------------------------------------------------------------------

  private storm(): void {
    const { queue, a, chance, machines } = this;
    this.stormy = true;
    this.mustHold = false;
    this.stormEnds = queue.now + a.storm;
    this.temper = chance.happens(0.5) ? 1 : 6;
    if (chance.happens(0.5)) this.cutOffLeader();
    queue.at(this.stormEnds, () => {
      this.stormy = false;
      for (const { board } of this.etcds) for (const { name } of machines) board.rest(name, false);
      const calmEnds = this.stormEnds + a.calm;
      // Some may stay dead, the others run from now on.
      let dead = a.dead;
      const first = Math.floor(chance.between(0, machines.length));
      for (const machine of [...machines.slice(first), ...machines.slice(0, first)]) {
        if (machine.manager?.alive || (dead-- > 0 && chance.happens(0.5))) continue;
        machine.start();
      }
      if (!a.split) {
        queue.at(this.stormEnds + a.bound, () => {
          this.mustHold = true;
          this.lookForHolder();
        });
      }
      queue.at(calmEnds, () => {
        for (const machine of machines) machine.start();
        this.storm();
      });
    });
  }

  /** Calls `fn` after some ms if a storm is on then. */
  private inStorm(ms: number, fn: () => void): void {
    this.queue.at(this.queue.now + ms, () => {
      if (this.stormy) fn();
    });
  }

  private hurtEtcd(etcd: LeaseService): void {
    const { chance, queue } = this;
    queue.at(queue.now + chance.between(3000, 20_000), () => {
      const left = this.stormEnds - queue.now;
      if (this.stormy) etcd.loseLeader(chance.happens(0.4) ? Math.min(left, chance.between(0, 15_000)) : 0);
      this.hurtEtcd(etcd);
    });
  }

  private hurt(machine: Machine): void {
    const { chance, queue } = this;
    queue.at(queue.now + this.temper * chance.between(200, 5000), () => {
      if (this.stormy) this.strike(machine);
      this.hurt(machine);
    });
  }

  private strike(machine: Machine): void {
    const { chance, queue, a } = this;
    const length = chance.happens(0.5) ? chance.between(50, 3000) : chance.between(1000, 9000);
    const span = Math.min(length, this.stormEnds - queue.now);
    const until = queue.now + span;
    const { manager } = machine;
    const kind = chance.next();
    if (kind < 0.12) manager?.freeze(span);
    else if (kind < 0.24) for (const holder of machine.holders) holder.freeze(span);
    else if (kind < 0.36) machine.freeze(span);
    else if (kind < 0.46) machine.etcdCutUntil = until;
    else if (kind < 0.52) machine.peersCutUntil = until;
    else if (kind < 0.6) machine.etcdCutUntil = machine.peersCutUntil = until;
    else if (kind < 0.68) this.killManager(machine, span);
    else if (kind < 0.73) machine.killHolders();
    else if (kind < 0.76) this.killAfterSilence(machine);
    else if (kind < 0.86) {
      this.killManager(machine, span);
      machine.killHolders();
    } else if (kind < 0.96 || !a.pauses) this.stop(machine, span);
    else machine.pause(span);
  }

  private killManager(machine: Machine, span: number): void {
    machine.killManager();
    const down = this.chance.happens(0.3) ? this.chance.between(50, 500) : span;
    if (this.stormy) this.inStorm(down, () => machine.start());
    // A stop may end after the storm that began it.
    else this.queue.at(this.queue.now + down, () => machine.start());
  }

  /** Cuts the leader off from etcd, but not from the others, one of which is away or restarts meanwhile. */
  private cutOffLeader(): void {
    const { chance, queue, machines } = this;
    this.inStorm(chance.between(2000, 8000), () => {
      const leader = machines.find(({ kernel }) => kernel.held);
      const others = machines.filter(machine => machine !== leader);
      const other = others[Math.floor(chance.between(0, others.length))];
      if (leader === undefined || other === undefined) return;
      const kind = chance.next();
      // Away for longer than its key lives: it leaves the list.
      if (kind < 0.66) other.killManager();
      const awayFor = kind < 0.66 ? chance.between(10_500, 13_000) : 0;
      // It returns before the leader is cut off, while it is being listed, or after.
      const back = kind < 0.33 ? -chance.between(200, 2500) : chance.between(2300, 5500);
      const cut = () => {
        leader.etcdCutUntil = Math.min(this.stormEnds, queue.now + chance.between(6000, 9000));
      };
      this.inStorm(awayFor + Math.max(0, -back), cut);
      this.inStorm(awayFor + Math.max(0, back), () => {
        other.killManager();
        this.inStorm(chance.between(10, 300), () => other.start());
      });
    });
  }

  /** Silences the manager long enough, then kills its holder and what that has begun. */
  private killAfterSilence(machine: Machine): void {
    machine.manager?.freeze(this.p.silence + this.chance.between(100, 300));
    this.inStorm(this.p.silence + this.chance.between(0, 200), () => machine.killHolders());
  }

  /** A planned stop, sometimes with a named successor; or only a hand-over. */
  private stop(machine: Machine, span: number): void {
    const { chance, machines } = this;
    const { manager } = machine;
    if (!manager?.alive) return;
    if (manager.candidate !== undefined) {
      this.orderOf(manager, span);
      return;
    }
    const others = machines.filter(other => other !== machine);
    const next = chance.happens(0.5) ? others[Math.floor(chance.between(0, others.length))]?.name : undefined;
    const ends = chance.happens(0.6);
    manager.step(() => {
      if (ends) manager.retired = true;
      manager.resign(() => {
        if (ends) this.killManager(machine, span);
      }, next);
    });
  }

  /** Stops a node, hands over by an operator's order, or puts a node in maintenance for a while. */
  private orderOf(manager: Manager, span: number): void {
    const { chance, machines } = this;
    const { candidate, machine } = manager;
    const kind = chance.next();
    const any = () => machines[Math.floor(chance.between(0, machines.length))]?.name ?? 0;
    if (kind < 0.4) {
      manager.step(() => {
        manager.retired = true;
        candidate?.leave(() => manager.resign(() => this.killManager(machine, span)));
      });
    } else if (kind < 0.5) {
      this.orderInTrouble(manager);
    } else if (kind < 0.8) {
      const from = manager.etcd.key?.node ?? any();
      const to = any();
      if (from !== to) manager.step(() => candidate?.order(from, to));
    } else {
      const { board } = manager.etcd;
      const node = any();
      board.rest(node, true);
      this.inStorm(span, () => board.rest(node, false));
    }
  }

  /** Cuts the next leader off once it is ready, until its lease is old, and again soon after it leads. */
  private orderInTrouble(manager: Manager): void {
    const { chance, machines, p } = this;
    const from = manager.etcd.key?.node;
    const others = machines.filter(({ name }) => name !== from);
    const to = others[Math.floor(chance.between(0, others.length))];
    if (from === undefined || to === undefined) return;
    manager.step(() => manager.candidate?.order(from, to.name));
    const cut = (ms: number) => {
      to.etcdCutUntil = Math.max(to.etcdCutUntil, Math.min(this.stormEnds, this.queue.now + ms));
    };
    const { board } = manager.etcd;
    const isReady = () => {
      const { order, candidacies } = board.view;
      return order?.to === to.name && candidacies.get(to.name)?.answer?.order === order.id;
    };
    this.soon(isReady, () => cut(chance.between(0.1, 0.6) * p.lease));
    this.soon(
      () => to.manager?.session !== undefined,
      () => {
        cut(3 * p.lease);
        to.peersCutUntil = to.etcdCutUntil;
      },
    );
  }

  /** Calls `fn` as soon as a condition holds, if it does so within two seconds of a storm. */
  private soon(isSo: () => boolean, fn: () => void, tries = 200): void {
    this.inStorm(10, () => {
      if (isSo()) fn();
      else if (tries > 0) this.soon(isSo, fn, tries - 1);
    });
  }
}
