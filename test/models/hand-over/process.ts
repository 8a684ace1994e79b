// A model of a process: it is frozen, continues, and is killed.
import type { Machine } from './machine.ts';

/** A process on a machine. */
export class Process {
  alive = true;
  readonly machine: Machine;
  private frozenUntil = 0;

  constructor(machine: Machine) {
    this.machine = machine;
  }

  /** When it continues, a true time. */
  get goesOn(): number {
    return Math.max(this.frozenUntil, this.machine.frozenUntil);
  }

  freeze(span: number): void {
    this.frozenUntil = Math.max(this.frozenUntil, this.machine.now + span);
  }

  kill(): void {
    this.alive = false;
  }

  /** Calls `fn` as soon as the process runs. */
  step(fn: () => void): void {
    if (!this.alive) return;
    const { now, cluster } = this.machine;
    const { goesOn } = this;
    if (now >= goesOn) fn();
    else cluster.queue.at(goesOn + cluster.chance.between(0, 3), () => this.step(fn));
  }

  /** Calls `fn` after some ms by this machine's clock. */
  after(ms: number, fn: () => void): void {
    this.machine.timer(ms, () => this.step(fn));
  }
}
