// HolderWatch: follows the kernels of several machines and says who held an address when; two at once is what must
// never be.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { LabMachine } from './lab.ts';
import { MachineHolding } from './machine-holding.ts';

/** A time during which one machine had the address, ms of the wall clock; `to` is undefined while it has it. */
export interface Holding {
  readonly machine: string;
  readonly from: number;
  to: number | undefined;
}

/** Follows one address. */
export class HolderWatch {
  readonly holdings: Holding[] = [];
  private readonly children: ChildProcess[] = [];
  private readonly address: string;
  private readonly machines: ReadonlyMap<string, LabMachine>;

  constructor(address: string, machines: ReadonlyMap<string, LabMachine>) {
    this.address = address;
    this.machines = machines;
    for (const [name, machine] of machines) {
      const holding = new MachineHolding(name, address, this.holdings);
      this.read(machine.watchAddresses(), line => holding.takeAddressLine(line));
      this.read(machine.watchGuards(), line => holding.takeGuardLine(line));
    }
  }

  /** Those who have it now. */
  get holders(): string[] {
    return this.holdings.filter(holding => holding.to === undefined).map(holding => holding.machine);
  }

  /** Each pair of holdings that overlap after a wall time (ms), in words. */
  overlaps(since: number): string[] {
    const found: string[] = [];
    for (const [i, a] of this.holdings.entries()) {
      for (const b of this.holdings.slice(i + 1)) {
        const from = Math.max(a.from, b.from, since);
        const to = Math.min(a.to ?? Number.POSITIVE_INFINITY, b.to ?? Number.POSITIVE_INFINITY);
        if (to > from && a.machine !== b.machine)
          found.push(`${a.machine} and ${b.machine} for ${to - from} ms`);
      }
    }
    return found;
  }

  /** Stops; throws when what it saw is not what the machines say now, as then it saw nothing. */
  close(): void {
    for (const child of this.children) child.kill('SIGKILL');
    const seen = this.holders.sort().join();
    const real = [...this.machines]
      .filter(([, machine]) => machine.holds(this.address))
      .map(([name]) => name)
      .sort()
      .join();
    if (seen !== real)
      throw new Error(`the watch saw ${seen || 'nobody'} with the address, it is ${real || 'nobody'}`);
  }

  private read(child: ChildProcess, take: (line: string) => void): void {
    this.children.push(child);
    if (child.stdout === null) throw new Error('no output to read');
    createInterface({ input: child.stdout }).on('line', take);
  }
}
