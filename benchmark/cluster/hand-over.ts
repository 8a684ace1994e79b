// A model of the hand-over (plugins/etcd/election.ts, plugins/floating-ip/address-holder.ts): nodes with drifting
// clocks that are frozen, killed and cut off at random, kernels that drop addresses late, an etcd that changes its
// leader. It looks for two kernels that have the address at once.
import { clockDrift } from '../../plugins/etcd/election.ts';
import { commandTime, kernelLateness } from '../../plugins/floating-ip/address-holder.ts';
import { Chance, EventQueue } from './event-queue.ts';
import { LeaseService } from './lease-service.ts';

/** The protocol: its times in ms, and the precautions, each of which can be left out to see what it is for. */
export interface Protocol {
  readonly lease: number;
  readonly renew: number;
  readonly holdOff: number;
  /** What the address holder reckons with. */
  readonly kernelLateness: number;
  readonly commandTime: number;
  readonly clockDrift: number;
  /** Count a lease from the time when the renewal was asked for, not from its answer. */
  readonly countFromAsking: boolean;
  /** Have etcd's majority confirm each renewal. */
  readonly confirm: boolean;
  /** Wait for the hold-off that the one before counts on. */
  readonly waitHoldOff: boolean;
  /** End a renewal of the address that was frozen for a second or more before the kernel knew of it. */
  readonly guard: boolean;
  /** Say `released` only after having acted. */
  readonly releaseOnlyAfterActing: boolean;
}

/** What the plugins do by default. */
export const protocol: Protocol = {
  lease: 2000,
  renew: 250,
  holdOff: 300,
  kernelLateness,
  commandTime,
  clockDrift,
  countFromAsking: true,
  confirm: true,
  waitHoldOff: true,
  guard: true,
  releaseOnlyAfterActing: true,
};

/** What the model does to it. */
export interface Adversary {
  readonly nodes: number;
  /** The time of one run, ms. */
  readonly duration: number;
}

/** What is likely on bad days. */
export const adversary: Adversary = { nodes: 3, duration: 120_000 };

// What ends a frozen command: see plugins/floating-ip/deadline.ts.
const alarm = 1000;
// The kernel's own behaviour: see kernelLateness.
const realLateness = 1000;

interface Session {
  readonly revision: number;
  readonly from: number;
  until: number;
  acted: boolean;
}

/** What came of some runs. */
export interface Search {
  readonly runs: number;
  /** How often the address went to another node. */
  readonly handOvers: number;
  /** In words, with the seed of the run. */
  readonly violations: readonly string[];
}

/** Runs the model with seeds from `seed` on. */
export function search(p: Protocol, a: Adversary, runs: number, seed = 1): Search {
  const violations: string[] = [];
  let handOvers = 0;
  for (let run = 0; run < runs; run++) {
    const cluster = new SimulatedCluster(p, a, seed + run);
    cluster.run();
    handOvers += cluster.handOvers;
    violations.push(...cluster.violations.map(text => `seed ${seed + run}: ${text}`));
  }
  return { runs, handOvers, violations };
}

class SimulatedCluster {
  readonly queue = new EventQueue();
  readonly chance: Chance;
  readonly etcd: LeaseService;
  readonly violations: string[] = [];
  handOvers = 0;
  readonly p: Protocol;
  readonly a: Adversary;
  private readonly nodes: SimulatedNode[] = [];
  private lastHolder: SimulatedNode | undefined;

  constructor(p: Protocol, a: Adversary, seed: number) {
    this.p = p;
    this.a = a;
    this.chance = new Chance(seed * 7919);
    this.etcd = new LeaseService(this.queue, this.chance, p.lease, () => {
      for (const node of this.nodes) node.soon(() => node.campaign());
    });
    for (let i = 0; i < a.nodes; i++) this.nodes.push(new SimulatedNode(this, `n${i}`));
  }

  run(): void {
    for (const node of this.nodes) node.start();
    this.hurtEtcd();
    for (const node of this.nodes) this.hurt(node);
    this.queue.runUntil(this.a.duration);
  }

  /** A kernel has got the address. */
  held(node: SimulatedNode): void {
    for (const other of this.nodes) {
      if (other !== node && other.hasAddress) {
        this.violations.push(`${other.name} and ${node.name} at ${Math.round(this.queue.now)} ms`);
      }
    }
    if (this.lastHolder !== node) this.handOvers++;
    this.lastHolder = node;
  }

  private hurtEtcd(): void {
    this.queue.at(this.queue.now + this.chance.between(3000, 40_000), () => {
      this.etcd.loseLeader();
      this.hurtEtcd();
    });
  }

  private hurt(node: SimulatedNode): void {
    const { chance, queue } = this;
    queue.at(queue.now + chance.between(500, 12_000), () => {
      const span = chance.happens(0.5) ? chance.between(50, 3000) : chance.between(1000, 9000);
      const kind = chance.next();
      if (kind < 0.35) node.freeze(span);
      else if (kind < 0.6) node.cutOff(span);
      else if (kind < 0.8) node.crash(span);
      else node.stop(span);
      this.hurt(node);
    });
  }
}

class SimulatedNode {
  readonly name: string;
  hasAddress = false;
  private readonly cluster: SimulatedCluster;
  private readonly rate: number;
  private frozenUntil = 0;
  private cutUntil = 0;
  /** Counts its lives: what an earlier one began does not go on. */
  private life = 0;
  private running = false;
  private session: Session | undefined;
  private leading = false;
  private addressVersion = 0;
  private campaigning = false;

  constructor(cluster: SimulatedCluster, name: string) {
    this.cluster = cluster;
    this.name = name;
    this.rate = 1 + cluster.chance.between(-0.003, 0.003);
  }

  start(): void {
    this.running = true;
    // What an earlier life left is taken away at the start.
    this.removeAddress();
    this.look(this.life);
  }

  // --- what happens to it ----------------------------------------------------------------------------------------

  freeze(span: number): void {
    this.frozenUntil = Math.max(this.frozenUntil, this.now + span);
  }

  cutOff(span: number): void {
    this.cutUntil = Math.max(this.cutUntil, this.now + span);
  }

  crash(span: number): void {
    this.life++;
    this.running = false;
    this.session = undefined;
    this.leading = false;
    this.campaigning = false;
    this.cluster.queue.at(this.now + span, () => {
      if (!this.running) this.start();
    });
  }

  /** SIGTERM: hand over, end, and start again after a while. */
  stop(span: number): void {
    if (!this.running) return;
    const { session } = this;
    this.step(() => {
      const acted = session?.acted ?? false;
      this.leading = false;
      this.session = undefined;
      this.step(() => {
        this.removeAddress();
        if (session !== undefined) {
          const released = acted || !this.cluster.p.releaseOnlyAfterActing;
          this.send(() => this.cluster.etcd.release(session.revision, released), 'commit');
        }
        this.crash(span);
      });
    });
  }

  // --- what it does ----------------------------------------------------------------------------------------------

  /** Goes on with something soon, as on an event of a watch. */
  soon(fn: () => void): void {
    const { queue } = this.cluster;
    if (this.now < this.cutUntil) return;
    queue.at(this.now + this.delay(), () => this.step(fn));
  }

  campaign(): void {
    const { etcd, p } = this.cluster;
    if (this.session !== undefined || this.campaigning || !this.running) return;
    this.campaigning = true;
    const done = () => {
      this.campaigning = false;
    };
    const asked = this.clock();
    let grantedAt = 0;
    this.request(
      'commit',
      () => {
        grantedAt = this.now;
        return true;
      },
      () =>
        this.request(
          'commit',
          () => etcd.take(grantedAt),
          won => {
            done();
            if (won === undefined) return;
            const wait = won.released || !p.waitHoldOff ? 0 : p.holdOff;
            this.session = {
              revision: won.revision,
              from: this.clock() + wait,
              until: this.safeUntil(asked),
              acted: false,
            };
            this.confirm(this.session, asked);
            this.beat(this.session);
          },
          done,
        ),
      done,
    );
  }

  private look(life: number): void {
    if (life !== this.life) return;
    if (this.cluster.etcd.key === undefined && this.now >= this.cutUntil) this.step(() => this.campaign());
    this.cluster.queue.at(this.now + this.cluster.chance.between(900, 1100), () => this.look(life));
  }

  private beat(session: Session): void {
    if (this.session !== session) return;
    this.review();
    this.renew(session);
    this.cluster.queue.at(this.now + this.cluster.p.renew * this.rate, () =>
      this.step(() => this.beat(session)),
    );
  }

  private renew(session: Session): void {
    const { etcd, p, chance } = this.cluster;
    const asked = this.clock();
    const gone = () => {
      if (this.session !== session) return;
      this.session = undefined;
      this.lose();
    };
    const stale = etcd.hasStaleLeader && chance.happens(0.5);
    const renewed = () => this.confirm(session, p.countFromAsking ? asked : this.clock());
    this.request(
      stale ? 'stale' : 'leader',
      () => stale || etcd.renew(session.revision),
      alive => {
        if (!alive) return gone();
        if (!p.confirm) return renewed();
        // The confirmation comes from the same side: a leader that was cut off cannot give it.
        if (stale) return;
        this.request(
          'commit',
          () => etcd.key?.revision === session.revision,
          ours => (ours ? renewed() : gone()),
        );
      },
    );
  }

  private confirm(session: Session, asked: number): void {
    if (this.session !== session) return;
    session.until = Math.max(session.until, this.safeUntil(asked));
    this.review();
    if (this.clock() < session.from || this.clock() >= session.until) return;
    this.leading = true;
    session.acted = true;
    this.step(() => this.hold(session.until));
  }

  private review(): void {
    if (this.leading && this.session !== undefined && this.clock() >= this.session.until) this.lose();
  }

  private lose(): void {
    this.leading = false;
    this.step(() => this.removeAddress());
  }

  private safeUntil(asked: number): number {
    const { lease, holdOff, clockDrift: drift } = this.cluster.p;
    return asked + (lease + holdOff) * (1 - drift);
  }

  /** The address holder. */
  private hold(until: number): void {
    const { p, queue, chance } = this.cluster;
    if (!this.leading) return;
    const begun = this.clock();
    const lifetime = Math.floor((until - begun - p.kernelLateness - p.commandTime) / 1000);
    if (lifetime < 1) return;
    const { life } = this;
    const took = chance.happens(0.95) ? chance.between(1, 15) : chance.between(15, 2 * p.commandTime + 50);
    const decided = this.now;
    const inKernel = () => {
      if (life !== this.life) return;
      if (this.now < this.frozenUntil) {
        // The freeze fell between the decision and the kernel.
        if (!p.guard || this.frozenUntil - decided < alarm) queue.at(this.frozenUntil, inKernel);
        return;
      }
      this.addAddress(lifetime);
      this.step(() => {
        if (this.clock() + lifetime * 1000 + p.kernelLateness > until) this.removeAddress();
      });
    };
    queue.at(this.now + took, inKernel);
  }

  private addAddress(lifetime: number): void {
    const { queue, chance } = this.cluster;
    const version = ++this.addressVersion;
    if (!this.hasAddress) {
      this.hasAddress = true;
      this.cluster.held(this);
    }
    const late = chance.happens(0.5) ? chance.between(0, realLateness) : realLateness;
    queue.at(this.now + lifetime * 1000 + late, () => {
      if (version === this.addressVersion) this.removeAddress();
    });
  }

  private removeAddress(): void {
    this.addressVersion++;
    this.hasAddress = false;
  }

  // --- how it does it --------------------------------------------------------------------------------------------

  private get now(): number {
    return this.cluster.queue.now;
  }

  /** Its own monotonic clock. */
  private clock(): number {
    return this.now / this.rate;
  }

  /** Does something as soon as the process runs, in this life. */
  private step(fn: () => void): void {
    const { life } = this;
    if (this.now >= this.frozenUntil) {
      if (this.running) fn();
      return;
    }
    this.cluster.queue.at(this.frozenUntil + this.cluster.chance.between(0, 3), () => {
      if (life === this.life) this.step(fn);
    });
  }

  private delay(): number {
    const { chance } = this.cluster;
    const kind = chance.next();
    if (kind < 0.6) return chance.between(0.2, 8);
    return kind < 0.98 ? chance.between(8, 120) : chance.between(150, 2500);
  }

  /** Sends something to etcd; lost when either of them is cut off or nobody there can do it. */
  private send<T>(at: () => T, needs: 'leader' | 'commit' | 'stale', answer?: (value: T) => void): void {
    const { queue, etcd, chance } = this.cluster;
    if (this.now < this.cutUntil || chance.happens(0.01)) return;
    const sent = this.now;
    queue.at(sent + this.delay(), () => {
      const there = needs === 'stale' ? etcd.hasStaleLeader : etcd.hasLeader;
      if (!there || this.now < this.cutUntil) return;
      const value = at();
      if (answer !== undefined) queue.at(this.now + this.delay(), () => answer(value));
    });
  }

  private request<T>(
    needs: 'leader' | 'commit' | 'stale',
    at: () => T,
    answer: (value: T) => void,
    noAnswer?: () => void,
  ): void {
    const { life } = this;
    let over = false;
    this.send(at, needs, value => {
      if (over || life !== this.life || this.now < this.cutUntil) return;
      over = true;
      this.step(() => answer(value));
    });
    this.cluster.queue.at(this.now + 1000, () => {
      if (over || life !== this.life) return;
      over = true;
      if (noAnswer !== undefined) this.step(noAnswer);
    });
  }
}
