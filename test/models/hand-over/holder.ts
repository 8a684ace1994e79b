// A model of the holder: the process that alone changes the address, on its manager's orders.
import type { Machine } from './machine.ts';
import type { Manager } from './manager.ts';
import { Pipe } from './pipe.ts';
import { Process } from './process.ts';

const shortest = 100;
const freshTicket = 60;
const surrenders = 10;
// Ends a frozen command when there is no fence: see plugins/floating-ip/deadline.ts.
const alarm = 1000;

/** One holder. */
export class Holder extends Process {
  /** Messages from its manager. */
  readonly pipe: Pipe;
  private readonly manager: Manager;
  private readonly closed = new Set<number>();
  private session: number | undefined;
  private lastHeard: number;
  private until = 0;
  private running = 0;
  private wanted: 'set' | 'remove' | undefined;
  private whenGone: (() => void)[] = [];
  private tickets = 0;
  /** The latest ticket, and the latest time at which it was created. */
  private ticket: { readonly name: number; readonly made: number } | undefined;

  constructor(machine: Machine, manager: Manager) {
    super(machine);
    this.manager = manager;
    this.pipe = new Pipe(this);
    this.lastHeard = machine.clock();
    // What a previous holder left is removed first.
    this.remove(() => this.tell(() => manager.holderReady(this)));
  }

  override kill(): void {
    super.kill();
    this.machine.holders.delete(this);
    this.manager.pipe.send(() => this.manager.holderDied(this));
  }

  // --- orders ----------------------------------------------------------------------------------------------------

  /** Holds the address until then. */
  hold(until: number, session: number): void {
    if (this.closed.has(session) && this.machine.cluster.p.closeForEver) {
      this.tell(() => this.manager.holderClosed(session));
      return;
    }
    this.hear();
    if (this.session !== session) {
      this.session = session;
      this.watch(session);
    }
    this.until = until;
    this.want('set');
  }

  /** The manager only reports that it is alive. */
  hear(): void {
    this.lastHeard = this.machine.clock();
  }

  /** Releases the address, and reports when it is done. */
  release(session: number): void {
    if (this.session === session) this.session = undefined;
    // It may already hold for another session.
    if (this.session !== undefined) this.tell(() => this.manager.holderGone(session));
    else this.remove(() => this.tell(() => this.manager.holderGone(session)));
  }

  pipeClosed(): void {
    const { queue, chance } = this.machine.cluster;
    queue.at(this.machine.now + chance.between(0, 5), () =>
      this.step(() => {
        const { session } = this;
        if (session === undefined) this.remove(() => this.kill());
        else this.abandon(session, () => this.kill());
      }),
    );
  }

  private watch(session: number): void {
    if (this.session !== session) return;
    const left = this.lastHeard + this.machine.cluster.p.silence - this.machine.clock();
    if (left > 0.01) this.after(left, () => this.watch(session));
    else this.abandon(session, () => {});
  }

  /** The manager is silent: removes the address, then ends the leadership on the manager's behalf. */
  private abandon(session: number, done: () => void): void {
    const { p } = this.machine.cluster;
    this.closed.add(session);
    this.session = undefined;
    const tell = () => this.tell(() => this.manager.holderClosed(session));
    if (p.tellBeforeSurrender) tell();
    const surrender = () =>
      this.surrender(session, surrenders, () => {
        if (!p.tellBeforeSurrender) tell();
        done();
      });
    this.remove(p.surrenderWhenGone ? surrender : () => {});
    if (!p.surrenderWhenGone) surrender();
  }

  private surrender(session: number, tries: number, done: () => void): void {
    const { p, net } = this.machine.cluster;
    const { etcd } = this.manager;
    if (tries === 0) {
      done();
      return;
    }
    net.request(
      this,
      etcd,
      'commit',
      () => etcd.release(session, true, p.compareRevision),
      done,
      () => this.surrender(session, tries - 1, done),
    );
  }

  // --- commands --------------------------------------------------------------------------------------------------

  private remove(gone: () => void): void {
    this.whenGone.push(gone);
    this.want('remove');
  }

  private want(what: 'set' | 'remove'): void {
    if (what === 'set' && this.wanted === 'remove') return;
    this.wanted = what;
    if (this.running === 0 || !this.machine.cluster.p.oneCommandAtATime) this.next();
  }

  private next(): void {
    const { wanted } = this;
    this.wanted = undefined;
    if (wanted === 'remove') this.removeNow();
    else if (this.session !== undefined) {
      if (this.machine.cluster.p.fence) this.openFence();
      else this.setAddress();
    }
  }

  private removeNow(): void {
    const due = this.whenGone.splice(0);
    this.ticket = undefined;
    this.command(
      () => this.machine.kernel.remove(),
      carriedOut => {
        if (carriedOut) for (const fn of due) fn();
        else for (const fn of due) this.remove(fn);
      },
    );
  }

  /** Every change of the fence needs the ticket of the previous one, which expires: so no change is late. */
  private openFence(): void {
    const { machine, ticket } = this;
    const { p } = machine.cluster;
    const now = machine.clock();
    const nextTicket = this.newTicket();
    if (ticket === undefined || now > ticket.made + p.ticket - freshTicket) {
      this.command(
        () => machine.kernel.addTicket(nextTicket),
        carriedOut => {
          this.ticket = carriedOut ? { name: nextTicket, made: machine.clock() } : undefined;
          if (carriedOut) this.want('set');
        },
      );
      return;
    }
    const effect = p.reckonTicket ? ticket.made + p.ticket + p.fenceLateness : now;
    const timeout = this.until - p.fenceLateness - effect;
    if (timeout < shortest) return;
    this.command(
      () => machine.kernel.changeFence({ ticket: ticket.name, timeout, nextTicket }),
      carriedOut => {
        this.ticket = carriedOut ? { name: nextTicket, made: machine.clock() } : undefined;
      },
    );
  }

  /** The names of tickets are unique on a machine. */
  private newTicket(): number {
    return this.machine.cluster.p.uniqueTickets ? ++this.machine.tickets : ++this.tickets;
  }

  private setAddress(): void {
    const { machine, until } = this;
    const { p } = machine.cluster;
    const left = until - machine.clock() - p.kernelLateness - p.commandTime;
    const lifetime = Math.floor(left / 1000) * 1000;
    if (lifetime < 1000) return;
    this.command(
      () => machine.kernel.setAddress(lifetime),
      () => {
        if (machine.clock() + lifetime + p.kernelLateness > until) this.remove(() => {});
      },
    );
  }

  /** Runs a command of the system: a separate process, which may be frozen, and outlives this one. */
  private command(effect: () => boolean, done: (carriedOut: boolean) => void): void {
    const { machine } = this;
    const { queue, chance, p, stormy } = machine.cluster;
    this.running++;
    const decided = machine.now;
    const end = (carriedOut: boolean) =>
      this.step(() => {
        this.running--;
        done(carriedOut);
        if (this.wanted !== undefined && this.running === 0) this.next();
      });
    const took = chance.happens(0.97) ? chance.between(1, 15) : chance.between(15, 150);
    // The command may be frozen alone.
    const own = p.fence && stormy && chance.happens(0.01) ? machine.now + chance.between(50, 3000) : 0;
    const reach = () => {
      const goesOn = Math.max(own, machine.frozenUntil);
      // Without a ticket, a command that outlives its holder is a known gap: docs/cluster-guarantees.md.
      if (!p.fence && !this.alive) return;
      if (machine.now < goesOn) {
        if (p.fence || !p.guard || goesOn - decided < alarm) queue.at(goesOn, reach);
        else queue.at(goesOn, () => end(false));
        return;
      }
      end(effect());
    };
    queue.at(machine.now + took, reach);
  }

  private tell(fn: () => void): void {
    this.manager.pipe.send(fn);
  }
}
