// A model of the network between the nodes and etcd, and between nodes: messages are late, lost, and cut off.
import type { Cluster } from './cluster.ts';
import type { LeaseService } from './lease-service.ts';
import type { Machine } from './machine.ts';
import type { Process } from './process.ts';

/** What a request needs of etcd: its leader, a majority, or a leader that was cut off. */
export type Need = 'leader' | 'commit' | 'stale';

const patience = 1000;

export class Network {
  private readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  /** Sends a request to etcd; `noAnswer` is called after a second. */
  request<T>(
    from: Process,
    etcd: LeaseService,
    need: Need,
    at: () => T,
    answer: (value: T) => void,
    noAnswer?: () => void,
  ): void {
    const { machine } = from;
    const isCut = () => machine.now < machine.etcdCutUntil;
    const serves = () => (need === 'stale' ? etcd.hasStaleLeader : etcd.hasLeader);
    this.ask(from, { isCut, serves, patience, at, answer, noAnswer });
  }

  /** Sends a request to another node's manager. */
  askPeer<T>(from: Process, to: Machine, at: () => T, answer: (value: T) => void): void {
    const { machine } = from;
    const isCut = () => machine.now < Math.max(machine.peersCutUntil, to.peersCutUntil);
    const serves = () => to.manager?.alive === true && machine.now >= to.manager.goesOn;
    this.ask(from, { isCut, serves, patience: this.cluster.p.peerPatience, at, answer, noAnswer: undefined });
  }

  private ask<T>(
    from: Process,
    way: {
      isCut: () => boolean;
      serves: () => boolean;
      patience: number;
      at: () => T;
      answer: (value: T) => void;
      noAnswer: (() => void) | undefined;
    },
  ): void {
    const { queue, chance, stormy } = this.cluster;
    let over = false;
    const settle = (fn: () => void) => {
      if (over || !from.alive) return;
      over = true;
      from.step(fn);
    };
    const { noAnswer } = way;
    const asked = queue.now;
    if (noAnswer !== undefined) queue.at(asked + way.patience, () => settle(noAnswer));
    if (way.isCut() || (stormy && chance.happens(0.01))) return;
    queue.at(queue.now + this.delay(), () => {
      if (!way.serves() || way.isCut()) return;
      const value = way.at();
      queue.at(queue.now + this.delay(), () => {
        if (!way.isCut() && queue.now < asked + way.patience) settle(() => way.answer(value));
      });
    });
  }

  delay(): number {
    const { chance, stormy } = this.cluster;
    const kind = chance.next();
    if (!stormy || kind < 0.6) return chance.between(0.2, 8);
    if (kind < 0.97) return chance.between(8, 120);
    return kind < 0.995 ? chance.between(150, 2500) : chance.between(2500, 10_000);
  }
}
