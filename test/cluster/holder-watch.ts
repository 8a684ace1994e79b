// HolderWatch: follows the kernels of several machines and records which held an address when; two at once must never
// happen.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Lab } from './lab.ts';
import type { LabMachine } from './lab-machine.ts';

/** A time during which one machine held the address, ms of the wall clock; `to` is undefined while it does. */
export interface Holding {
  readonly machine: string;
  readonly from: number;
  to: number | undefined;
}

const answerChange = z.object({ index: z.number(), at: z.number(), holds: z.boolean() });

/** How often to look for nftables until some exist, ms. */
const lookEvery = 1000;

/** Follows one address. */
export class HolderWatch {
  /** By the addresses that the kernels have. */
  private readonly owned: Holding[] = [];
  /** By the kernels that answer for the address. */
  private readonly answered: Holding[] = [];
  private readonly children: ChildProcess[] = [];
  private readonly address: string;
  private readonly machines: ReadonlyMap<string, LabMachine>;
  private asked = false;
  private fenced = false;
  private lookAt = 0;

  /** With a `lab` the kernels are also probed for answers. */
  constructor(address: string, machines: ReadonlyMap<string, LabMachine>, lab?: Lab) {
    this.address = address;
    this.machines = machines;
    for (const [name, machine] of machines) {
      this.follow(machine.watchAddresses(), line => this.takeOwned(name, line));
    }
    if (lab !== undefined) this.askForAnswers(lab);
  }

  private askForAnswers(lab: Lab): void {
    const { address, machines } = this;
    this.asked = true;
    const names = [...machines.keys()];
    const sources = [...machines.values()].map(machine => machine.addProbeLink(address));
    const script = fileURLToPath(new URL('answer-probe.ts', import.meta.url));
    const args = ['netns', 'exec', lab.switch, process.execPath, script, address, ...sources];
    this.follow(spawn('ip', args, { stdio: ['ignore', 'pipe', 'ignore'] }), line => {
      const { index, at, holds } = answerChange.parse(JSON.parse(line));
      this.note(this.answered, names[index] ?? '', at, holds);
    });
  }

  private follow(child: ChildProcess, take: (line: string) => void): void {
    this.children.push(child);
    if (child.stdout === null) throw new Error('no output to read');
    createInterface({ input: child.stdout }).on('line', take);
  }

  /**
   * The machine whose kernel has the address holds it, to the millisecond. If nftables may silence an address that a kernel
   * still has, the machine that answers holds it, to some 20 ms.
   */
  get holdings(): readonly Holding[] {
    const now = performance.now();
    if (this.asked && !this.fenced && now > this.lookAt) {
      this.fenced = [...this.machines.values()].some(machine => machine.isFenced);
      this.lookAt = now + lookEvery;
    }
    return this.fenced ? this.answered : this.owned;
  }

  /** The machines that hold it now. */
  get holders(): string[] {
    return openIn(this.holdings);
  }

  /** Each pair of holdings that overlap after a wall time (ms). */
  overlaps(since: number): Overlap[] {
    return overlapsOf(this.holdings, since);
  }

  /** How long no machine had it from one wall time to another, ms. */
  away(from: number, to: number): number {
    return awayOf(this.holdings, from, to);
  }

  /** How often it was taken from one wall time to another. */
  takings(from: number, to: number): number {
    return this.holdings.filter(holding => holding.from >= from && holding.from <= to).length;
  }

  /** Whether the recorded addresses match those of the kernels now; they may have changed a moment ago. */
  get agrees(): boolean {
    return openIn(this.owned).sort().join() === this.reallyOwned();
  }

  /** Stops. Throws if the record does not match the machines now: then it has missed something. */
  close(): void {
    for (const child of this.children) child.kill('SIGKILL');
    const seen = openIn(this.owned).sort().join();
    const real = this.reallyOwned();
    if (seen !== real)
      throw new Error(`the watch saw the address on ${seen || 'no machine'}, it is on ${real || 'none'}`);
  }

  private reallyOwned(): string {
    const having = [...this.machines].filter(([, machine]) => machine.has(this.address));
    return having
      .map(([name]) => name)
      .sort()
      .join();
  }

  private takeOwned(machine: string, line: string): void {
    // `[2026-01-01T10:00:00.123456] Deleted 5: eth0    inet 10.77.0.100/24 …`
    const match = /^\[([^\]]+)\] (Deleted )?.* inet6? ([0-9a-f.:]+)\//.exec(line);
    if (match === null || match[3] !== this.address) return;
    this.note(this.owned, machine, Date.parse(`${match[1]}`), match[2] === undefined);
  }

  private note(holdings: Holding[], machine: string, at: number, holds: boolean): void {
    const open = holdings.find(holding => holding.machine === machine && holding.to === undefined);
    if (!holds) {
      if (open !== undefined) open.to = at;
    } else if (open === undefined) {
      holdings.push({ machine, from: at, to: undefined });
    }
  }
}

function openIn(holdings: readonly Holding[]): string[] {
  return holdings.filter(({ to }) => to === undefined).map(({ machine }) => machine);
}

/** Two machines that had the address at once. */
export interface Overlap {
  readonly machines: readonly [string, string];
  /** For how long, ms. */
  readonly ms: number;
}

/** The overlaps of holdings after a wall time; an open one lasts until now. */
export function overlapsOf(holdings: readonly Holding[], since: number, now = Date.now()): Overlap[] {
  const found: Overlap[] = [];
  for (const [i, a] of holdings.entries()) {
    for (const b of holdings.slice(i + 1)) {
      const from = Math.max(a.from, b.from, since);
      const to = Math.min(a.to ?? now, b.to ?? now);
      if (to > from && a.machine !== b.machine)
        found.push({ machines: [a.machine, b.machine], ms: to - from });
    }
  }
  return found;
}

/** The time in a span without a holding, ms. */
export function awayOf(holdings: readonly Holding[], from: number, to: number): number {
  let away = 0;
  let covered = from;
  for (const holding of [...holdings].sort((a, b) => a.from - b.from)) {
    away += Math.max(0, Math.min(holding.from, to) - covered);
    covered = Math.max(covered, holding.to ?? to);
    if (covered >= to) return away;
  }
  return away + Math.max(0, to - covered);
}
