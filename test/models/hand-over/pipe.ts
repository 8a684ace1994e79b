// A model of a pipe between two processes of a machine: in order, and late.
import type { Process } from './process.ts';

/** Messages to one process. */
export class Pipe {
  private readonly reader: Process;
  private readonly messages: (() => void)[] = [];
  private arrived = 0;

  constructor(reader: Process) {
    this.reader = reader;
  }

  send(message: () => void): void {
    const { now, cluster } = this.reader.machine;
    const late = cluster.stormy && cluster.chance.happens(0.01) ? cluster.chance.between(5, 800) : 0;
    this.arrived = Math.max(this.arrived, now + cluster.chance.between(0, 2) + late);
    this.messages.push(message);
    cluster.queue.at(this.arrived, () => this.reader.step(() => this.messages.shift()?.()));
  }
}
