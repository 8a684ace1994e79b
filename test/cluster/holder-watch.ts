// HolderWatch: follows the kernels of several machines and says who held an address when; two at once is what must
// never be.
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { LabMachine } from './lab.ts';

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
      const child = machine.watchAddresses();
      this.children.push(child);
      if (child.stdout === null) throw new Error('no output to read');
      createInterface({ input: child.stdout }).on('line', line => this.take(name, line));
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

  private take(machine: string, line: string): void {
    // `[2026-01-01T10:00:00.123456] Deleted 5: eth0    inet 10.77.0.100/24 …`
    const match = /^\[([^\]]+)\] (Deleted )?.* inet6? ([0-9a-f.:]+)\//.exec(line);
    if (match === null || match[3] !== this.address) return;
    const at = Date.parse(`${match[1]}`);
    const open = this.holdings.find(holding => holding.machine === machine && holding.to === undefined);
    if (match[2] !== undefined) {
      if (open !== undefined) open.to = at;
    } else if (open === undefined) {
      this.holdings.push({ machine, from: at, to: undefined });
    }
  }
}
