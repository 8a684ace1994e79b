// The workers of one config: they start together, listen together and drain together.
import type { Logger } from 'pino';
import type { NewEvent } from '../events/event.ts';
import type { Explanation } from '../explain/explanation.ts';
import type { Scope } from '../stages/scope.ts';
import type { LoadedConfig } from './config-source.ts';
import type { WorkerLink } from './links.ts';
import type { ListeningSocket } from './listening-sockets.ts';
import type { ExplainOutcome, ManagerMessage, PluginMessage, StartProblem } from './messages.ts';
import type { StateChanges } from './state-broadcast.ts';
import { WorkerSlot } from './worker-slot.ts';

/** Plugins' messages that may wait for their manager sides to start; more are dropped. */
const maxHeld = 10_000;

/** Takes the messages of plugins' worker sides. */
export type PluginReceiver = (plugin: string, message: unknown, worker: number) => void;

/** What a group works with. */
export interface WorkerGroupOptions {
  readonly config: LoadedConfig;
  /** The numbers of its workers. */
  readonly numbers: readonly number[];
  readonly log: Logger;
  /** Starts the process of the worker of this number; it loads the config as soon as it can. */
  spawn(worker: number): WorkerLink;
  /** What a worker needs before its plugins start. */
  greeting(): ManagerMessage;
  sockets(): Promise<readonly ListeningSocket[]> | readonly ListeningSocket[];
  /** What a worker needs before it accepts connections. */
  briefing(): readonly ManagerMessage[];
  /** Where else this Weldr listens. */
  ownAddresses(): readonly string[];
  onIdle(worker: number, pool: string, id: string): void;
  /** Everything that was sent before this fence is active there. */
  onApplied(worker: number, fence: number): void;
  /** It has started the plugins that it was asked to start, or reports a problem. */
  onStaged(worker: number, round: number, problem: StartProblem | undefined): void;
  /** The outcome of a request that it was asked to explain. */
  onExplained(worker: number, question: number, outcome: ExplainOutcome): void;
  /** A request that a trace follows is over. */
  onTraced(worker: number, trace: number, explanation: Explanation): void;
  /** The problems of a scope's list there. */
  onProblems(worker: number, scope: Scope, problems: readonly string[]): void;
  /** It has done a step of a wind-down. */
  onWoundDown(worker: number, round: number): void;
  onReady(worker: number): void;
  onExit(worker: number): void;
  /** Receives events about its workers. */
  tell?(event: NewEvent): void;
}

/** The workers of one config. */
export class WorkerGroup {
  readonly config: LoadedConfig;
  private readonly slots: readonly WorkerSlot[];
  private readonly log: Logger;
  /** The workers that know the pools, and so receive changes. */
  private readonly greeted = new Set<number>();
  private receiver: PluginReceiver | undefined;
  private watchStacks = false;
  private allLoaded = false;
  private held: { message: PluginMessage; worker: number }[] = [];

  constructor(options: WorkerGroupOptions) {
    this.config = options.config;
    this.log = options.log;
    this.slots = options.numbers.map(
      number =>
        new WorkerSlot({
          number,
          log: options.log,
          spawn: () => options.spawn(number),
          sockets: () => options.sockets(),
          briefing: () => options.briefing(),
          ownAddresses: () => options.ownAddresses(),
          greet: slot => {
            slot.send(options.greeting());
            this.greeted.add(number);
            if (this.watchStacks) slot.watchStack();
          },
          onMessage: (_, message) => {
            if (message.type === 'idle') options.onIdle(number, message.pool, message.id);
            else if (message.type === 'applied') options.onApplied(number, message.fence);
            else if (message.type === 'staged') options.onStaged(number, message.round, message.problem);
            else if (message.type === 'explained')
              options.onExplained(number, message.question, message.outcome);
            else if (message.type === 'traced') options.onTraced(number, message.trace, message.explanation);
            else if (message.type === 'wound-down') options.onWoundDown(number, message.round);
            else if (message.type === 'problems') options.onProblems(number, message.scope, message.problems);
            else this.receive(message, number);
          },
          onReady: () => options.onReady(number),
          onExit: () => {
            this.greeted.delete(number);
            options.onExit(number);
          },
          onHung: () => this.watchAll(),
          tell: event => options.tell?.(event),
        }),
    );
  }

  /** The workers whose processes know the pools. */
  get numbers(): readonly number[] {
    return [...this.greeted];
  }

  /** All numbers that this group uses, including those between two processes. */
  get reserved(): readonly number[] {
    return this.slots.map(slot => slot.number);
  }

  /** The numbers of the workers that accept connections and react. */
  get readyNumbers(): readonly number[] {
    return this.slots.filter(slot => slot.ready).map(slot => slot.number);
  }

  /** The numbers of the workers that were told to accept connections and that react, including those that drain. */
  get servingNumbers(): readonly number[] {
    return this.slots.filter(slot => slot.serves).map(slot => slot.number);
  }

  /** How many workers accept connections and react. */
  get readyCount(): number {
    return this.readyNumbers.length;
  }

  /** How many workers accept connections and do not react. */
  get silentCount(): number {
    return this.slots.filter(slot => slot.silent).length;
  }

  /** Whether all of them have loaded the config once. */
  get loaded(): boolean {
    return this.allLoaded;
  }

  get size(): number {
    return this.slots.length;
  }

  /** Starts the processes, so that they boot while the manager continues. */
  spawn(): void {
    for (const slot of this.slots) slot.spawn();
  }

  /** Has all workers load the config. Rejects with the first problem that one of them found, after all have ended. */
  async load(): Promise<void> {
    try {
      await Promise.all(this.slots.map(slot => slot.load()));
      this.allLoaded = true;
    } catch (thrown) {
      await this.kill();
      throw thrown;
    }
  }

  /** Resolves when all accept connections. */
  async listen(): Promise<void> {
    await Promise.all(this.slots.map(slot => slot.listen()));
  }

  /** Resolves when all have ended; they are not replaced. */
  async drain(timeoutMs: number): Promise<void> {
    await Promise.all(this.slots.map(slot => slot.drain(timeoutMs)));
  }

  /** Resolves when none of the draining workers accepts connections any more. */
  async stoppedAccepting(): Promise<void> {
    await Promise.all(this.slots.map(slot => slot.stoppedAccepting()));
  }

  async kill(): Promise<void> {
    await Promise.all(this.slots.map(slot => slot.kill()));
  }

  /** Sends changes to all workers that know the state. */
  changes(changes: StateChanges): void {
    for (const slot of this.slots) {
      if (this.greeted.has(slot.number)) slot.send({ type: 'changes', ...changes });
    }
  }

  /** Sends to all workers whose processes run. */
  tellAll(message: ManagerMessage): void {
    for (const slot of this.slots) slot.send(message);
  }

  /** Sends to one worker, if its process runs. */
  tellOne(worker: number, message: ManagerMessage): void {
    this.slots.find(slot => slot.number === worker)?.send(message);
  }

  /** Sends a plugin's message to one worker; dropped when it has ended. */
  tell(worker: number, plugin: string, message: unknown): void {
    const slot = this.slots.find(known => known.number === worker);
    if (slot !== undefined && this.greeted.has(worker)) slot.send({ type: 'plugin', plugin, message });
  }

  /** Passes on plugins' messages, those that have waited first. */
  deliverTo(receiver: PluginReceiver): void {
    this.receiver = receiver;
    for (const { message, worker } of this.held.splice(0)) receiver(message.plugin, message.message, worker);
  }

  /** What hung one worker may hang any of them. */
  private watchAll(): void {
    this.watchStacks = true;
    for (const slot of this.slots) slot.watchStack();
  }

  private receive(message: PluginMessage, worker: number): void {
    if (this.receiver !== undefined) this.receiver(message.plugin, message.message, worker);
    else if (this.held.length < maxHeld) this.held.push({ message, worker });
    else this.log.warn({ worker, plugin: message.plugin }, 'a plugin message was dropped');
  }
}
