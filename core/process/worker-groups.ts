// The groups of workers that have processes: the one in charge, those that drain, and the one that a reload starts.
import { availableParallelism, hostname } from 'node:os';
import type { ProcessLog } from '../log/log.ts';
import { subsetStart, type Vantage } from '../pool/vantage.ts';
import type { LoadedConfig, RecordedConfig } from './config-source.ts';
import type { WorkerLink } from './links.ts';
import type { ManagerOptions } from './manager-options.ts';
import type { ManagerMessage } from './messages.ts';
import { WorkerGroup, type WorkerGroupOptions } from './worker-group.ts';

/** What a group needs to know and reports, apart from its processes. */
export type GroupSurroundings = Omit<WorkerGroupOptions, 'config' | 'numbers' | 'log' | 'spawn'>;

/** What {@link WorkerGroups} work with. */
export interface WorkerGroupsOptions {
  readonly process: Pick<ManagerOptions, 'config' | 'overrides' | 'spawn' | 'firstWorker'>;
  /** Throws before the log is open. */
  log(): ProcessLog;
  surroundingsOf(config: RecordedConfig): GroupSurroundings;
}

/** All groups of one manager, over its reloads. */
export class WorkerGroups implements Iterable<WorkerGroup> {
  /** The group whose config is active; undefined before the first. */
  inCharge: WorkerGroup | undefined;
  private readonly options: WorkerGroupsOptions;
  private readonly groups = new Set<WorkerGroup>();
  private firstWorker: WorkerLink | undefined;
  private runLocal: ((config: LoadedConfig) => WorkerLink) | undefined;
  private restartCount = 0;

  constructor(options: WorkerGroupsOptions) {
    this.options = options;
  }

  [Symbol.iterator](): Iterator<WorkerGroup> {
    return this.groups[Symbol.iterator]();
  }

  /** Workers that died, or hung, and were replaced. */
  get restarts(): number {
    return this.restartCount;
  }

  /** The numbers of all workers whose processes know the pools. */
  *numbers(): Generator<number> {
    for (const group of this.groups) yield* group.numbers;
  }

  /** Has the worker that already boots load what every config needs. */
  prepareFirst(): void {
    this.firstWorker = this.options.process.firstWorker;
    this.firstWorker?.send({ type: 'prepare' });
  }

  /** Loads the wire into this process, for `workers: 0`; a manager with worker processes does not need it. */
  async prepareLocal(): Promise<void> {
    const [{ localWorker }, { Worker }] = await Promise.all([
      import('./local-worker.ts'),
      import('./worker.ts'),
    ]);
    this.runLocal = config =>
      localWorker(link => new Worker({ link, load: async () => config, openLog: () => this.options.log() }));
    this.firstWorker?.kill();
    this.firstWorker = undefined;
  }

  /** Makes the group of a config; its processes start with `spawn`. */
  add(config: RecordedConfig): WorkerGroup {
    const { workers, member, zone } = config.settings;
    const count = workers === 'auto' ? availableParallelism() : Math.max(1, workers);
    const taken = [...this.groups].flatMap(other => other.reserved);
    const numbers = freeNumbers(count, taken);
    const start = subsetStart(member, hostname());
    const spawned = new Set<number>();
    const group = new WorkerGroup({
      ...this.options.surroundingsOf(config),
      config,
      numbers,
      log: this.options.log().log,
      spawn: worker => {
        if (spawned.has(worker)) this.restartCount++;
        spawned.add(worker);
        const vantage = { worker: numbers.indexOf(worker), workers: count, zone, start };
        return this.spawnWorker(worker, vantage, config);
      },
    });
    this.groups.add(group);
    return group;
  }

  tellAll(message: ManagerMessage): void {
    for (const group of this.groups) group.tellAll(message);
  }

  /** Sends to the worker of this number, if its process runs. */
  tellOne(worker: number, message: ManagerMessage): void {
    for (const group of this.groups) group.tellOne(worker, message);
  }

  /** Has the workers of a group finish their requests and end. */
  async retire(group: WorkerGroup): Promise<void> {
    await group.drain(group.config.settings.drainTimeout);
    this.groups.delete(group);
  }

  async retireAll(): Promise<void> {
    await Promise.all([...this.groups].map(group => this.retire(group)));
  }

  /** Resolves when all workers have finished their requests, or `timeoutMs` is over, and have ended. */
  async drainAll(timeoutMs: number): Promise<void> {
    await Promise.all([...this.groups].map(group => group.drain(timeoutMs)));
  }

  /** Ends the workers of a group whose start failed. */
  async drop(group: WorkerGroup): Promise<void> {
    await group.kill();
    this.groups.delete(group);
  }

  /** Kills all workers. */
  async killAll(): Promise<void> {
    await Promise.all([...this.groups].map(group => group.kill()));
  }

  /** All groups have ended. */
  clear(): void {
    this.groups.clear();
  }

  /** Starts a worker. A replacement also gets the config as it was read for the group, not as the files are now. */
  private spawnWorker(worker: number, vantage: Vantage, config: RecordedConfig): WorkerLink {
    const link = this.newWorker(config);
    const { config: path, overrides } = this.options.process;
    link.send({ type: 'start', worker, vantage, config: path, overrides, recording: config.recording });
    return link;
  }

  private newWorker(config: LoadedConfig): WorkerLink {
    const { runLocal, firstWorker } = this;
    if (config.settings.workers === 0 && runLocal !== undefined) return runLocal(config);
    this.firstWorker = undefined;
    return firstWorker ?? this.options.process.spawn();
  }
}

/** The smallest numbers from 1 that no live worker has. */
function freeNumbers(count: number, taken: readonly number[]): number[] {
  const numbers: number[] = [];
  for (let number = 1; numbers.length < count; number++) if (!taken.includes(number)) numbers.push(number);
  return numbers;
}
