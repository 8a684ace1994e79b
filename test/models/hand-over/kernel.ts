// A model of a kernel: a service address with a lifetime, and a fence in front of it that opens for a while. Clients are
// answered only with both.
import type { Machine } from './machine.ts';

// The kernel removes an address up to a second after its lifetime, see kernelLateness of floating-ip; it removes an
// element of an nftables set within jiffies.
const addressLateness = 1000;
const fenceLateness = 20;
/** When the fence excludes, the lifetime of the address only matters to users who flush the rules. */
const addressLifetime = 2000;

/** A change of the fence, which the kernel carries out as a whole or not at all. */
export interface FenceChange {
  /** The change needs this ticket, and uses it up. */
  readonly ticket: number;
  /** How long the fence stays open. */
  readonly timeout: number;
  readonly nextTicket: number;
}

/** One kernel. It continues when processes are killed. */
export class Kernel {
  /** Whether clients are answered here. */
  held = false;
  private readonly machine: Machine;
  private open = false;
  private address = false;
  private fenceOrders = 0;
  private addressOrders = 0;
  private readonly tickets = new Set<number>();

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** For a node without a fence: the address alone, with a lifetime. */
  setAddress(lifetime: number): boolean {
    this.fenceOrders++;
    this.open = true;
    this.keepAddress(lifetime);
    this.review();
    return true;
  }

  addTicket(ticket: number): boolean {
    const { machine } = this;
    this.tickets.add(ticket);
    machine.timer(machine.cluster.p.ticket + this.late(), () => this.tickets.delete(ticket));
    return true;
  }

  /** Does nothing and returns false when the ticket has expired. */
  changeFence({ ticket, timeout, nextTicket }: FenceChange): boolean {
    const { machine } = this;
    if (machine.cluster.p.tickets && !this.tickets.delete(ticket)) return false;
    this.addTicket(nextTicket);
    this.open = true;
    const order = ++this.fenceOrders;
    machine.timer(timeout + this.late(), () => {
      if (order !== this.fenceOrders) return;
      this.open = false;
      this.review();
    });
    this.keepAddress(addressLifetime);
    this.review();
    return true;
  }

  remove(): boolean {
    this.tickets.clear();
    this.fenceOrders++;
    this.addressOrders++;
    this.open = false;
    this.address = false;
    this.review();
    return true;
  }

  private keepAddress(lifetime: number): void {
    const order = ++this.addressOrders;
    const { chance } = this.machine.cluster;
    const late = chance.happens(0.5) ? chance.between(0, addressLateness) : addressLateness;
    this.address = true;
    this.machine.timer(lifetime + late, () => {
      if (order !== this.addressOrders) return;
      this.address = false;
      this.review();
    });
  }

  private late(): number {
    return this.machine.cluster.chance.between(0, fenceLateness);
  }

  private review(): void {
    const held = this.open && this.address;
    if (held === this.held) return;
    this.held = held;
    if (held) this.machine.cluster.held(this.machine);
    else this.machine.cluster.letGo();
  }
}
