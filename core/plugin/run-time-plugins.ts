// RunTimePlugins: starts and ends the plugins of lists made at run time, in the manager and in all workers, and knows which
// of them do not run as listed.
import type { Logger } from 'pino';
import type { PoolPlugins } from '../pool/pool-plugins.ts';
import { type Scope, scopeName } from '../stages/scope.ts';
import { type ListedNames, sameList } from '../state/listed-names.ts';
import type { DefinedPlugins } from './defined-plugins.ts';
import type { Hold, ScopeLists, Started } from './scope-lists.ts';

/** The workers, as far as they start plugins. */
export interface ListingWorkers {
  /** Has all workers that take requests start what a list needs; it becomes active with the list. Rejects with the problem of one of them. */
  prepare(scope: Scope, names: ListedNames): Promise<void>;
  /** Ends what was prepared. */
  abandon(scope: Scope): void;
}

/** The manager sides of one config, as far as they start plugins. */
export interface ListingManager {
  readonly lists: Pick<ScopeLists<Started>, 'prepare' | 'abandon' | 'want'>;
}

/** A list that has changed. */
export interface ListChange {
  readonly scope: Scope;
  readonly names?: ListedNames;
  /** Whether the scope serves no requests yet. If so, it serves none until its plugins run. */
  readonly isNew: boolean;
}

/** Whether the manager lets requests pass through a scope: without a `hold` it does. */
export interface HoldChange {
  readonly scope: Scope;
  readonly hold?: Hold | undefined;
}

/** Follows what workers need to know. */
export interface RunTimeObserver {
  list(change: ListChange): void;
  hold(change: HoldChange): void;
}

/** What {@link RunTimePlugins} work with. */
export interface RunTimePluginsOptions {
  readonly workers: ListingWorkers;
  log(): Logger | undefined;
  /** Receives what does not run as listed in a scope, such as `the pool api`; empty: everything runs. */
  onProblems?(scope: string, problems: readonly string[]): void;
}

/** The number of the manager itself, among those of workers. */
const managerItself = 0;

/** The problems of a scope's list, by the workers that found them. */
interface FoundProblems {
  readonly scope: Scope;
  readonly byFinder: Map<number, readonly string[]>;
}

/** The lists of pools and routes of one manager, over its reloads. */
export class RunTimePlugins {
  private readonly options: RunTimePluginsOptions;
  /** Operators' lists, by the names of scopes. */
  private readonly lists = new Map<string, { readonly scope: Scope; readonly names: ListedNames }>();
  /** What the manager holds, by the names of scopes: no worker lets a request through, even if all plugins run there. */
  private readonly held = new Map<string, HoldChange>();
  private readonly observers = new Set<RunTimeObserver>();
  private readonly underWay = new Set<Promise<void>>();
  /** By the names of scopes. */
  private readonly found = new Map<string, FoundProblems>();
  private sides: ListingManager | undefined;
  private defined: DefinedPlugins | undefined;

  constructor(options: RunTimePluginsOptions) {
    this.options = options;
  }

  /** The part that pools use. */
  get ofPools(): PoolPlugins {
    const scope = (name: string): Scope => ({ kind: 'pool', name });
    return {
      expect: (pool, list) => this.expect(scope(pool), list),
      prepare: (pool, list) => this.prepare(scope(pool), list),
      want: (pool, list, how) => this.want(scope(pool), list, how),
      problems: pool => this.problems(scope(pool)),
      madeInPlace: pool => this.defined?.madeInPlace(scope(pool)) ?? [],
    };
  }

  /** Makes operators' lists active in manager sides that have started. Resolves when they are. */
  async takeOver(sides: ListingManager, defined: DefinedPlugins): Promise<void> {
    this.sides = sides;
    this.defined = defined;
    // What workers found stays: the new ones have started before, and the old ones still serve.
    const before = [...this.found.values()].filter(({ byFinder }) => byFinder.delete(managerItself));
    // Where there is no list, the plugins of the config are in place.
    for (const [name, { scope }] of [...this.held]) if (!this.lists.has(name)) this.hold(scope, undefined);
    for (const { scope, names } of [...this.lists.values()])
      this.begin(sides, { scope, names, isNew: false });
    await this.settled();
    for (const { scope } of before) this.show(scope);
  }

  /** Called when the sides end: nothing starts until others {@link takeOver}. */
  release(): void {
    this.sides = undefined;
  }

  /** Throws INPUT_INVALID for a list that a scope cannot have. */
  expect(scope: Scope, names: ListedNames): void {
    this.defined?.instancesOf(scope, names);
  }

  /**
   * Starts what a list needs, first in the manager and then in all workers. Resolves with a function that ends it again,
   * if the list is dropped; rejects with INPUT_INVALID or PLUGIN_FAILED, and then nothing of it remains.
   */
  async prepare(scope: Scope, names: ListedNames): Promise<() => Promise<void>> {
    const { sides } = this;
    if (sides === undefined) return async () => {};
    const undo = async (): Promise<void> => {
      this.options.workers.abandon(scope);
      await sides.lists.abandon(scope);
    };
    await sides.lists.prepare(scope, names);
    try {
      await this.options.workers.prepare(scope, names);
    } catch (thrown) {
      await undo();
      throw thrown;
    }
    return undo;
  }

  /** Returns operators' list for a scope. */
  listOf(scope: Scope): ListedNames {
    return this.lists.get(scopeName(scope))?.names;
  }

  /** Operators' lists, for a new worker. */
  get all(): readonly ListChange[] {
    return Array.from(this.lists.values(), ({ scope, names }) => ({ scope, names, isNew: false }));
  }

  /** What the manager holds, for a new worker. */
  get holds(): readonly HoldChange[] {
    return [...this.held.values()];
  }

  /** Follows lists and holds, so that workers receive them; returns a function that ends this. */
  observe(observer: RunTimeObserver): () => void {
    this.observers.add(observer);
    return () => void this.observers.delete(observer);
  }

  /** Makes a list active; undefined: the config's. */
  want(scope: Scope, names: ListedNames, { isNew }: { readonly isNew: boolean }): void {
    if (sameList(this.listOf(scope), names)) return;
    if (names === undefined) this.lists.delete(scopeName(scope));
    else this.lists.set(scopeName(scope), { scope, names });
    // A hold that ends with this list must not end in a worker that still has the list before.
    for (const observer of this.observers) observer.list({ scope, names, isNew });
    if (this.sides !== undefined) this.begin(this.sides, { scope, names, isNew });
  }

  /** Takes whether the manager sides let requests pass through a scope; undefined: they do. */
  hold(scope: Scope, hold: Hold | undefined): void {
    const name = scopeName(scope);
    if (this.held.get(name)?.hold === hold) return;
    if (hold === undefined) this.held.delete(name);
    else this.held.set(name, { scope, hold });
    for (const observer of this.observers) observer.hold({ scope, hold });
  }

  /** Resolves when the manager sides of all listed plugins have started. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  /** Takes all problems that a worker has found in a scope. `worker` undefined: the manager found them. */
  report(scope: Scope, problems: readonly string[], worker: number = managerItself): void {
    const known = this.problems(scope);
    if (known.length + problems.length === 0) return;
    const name = scopeName(scope);
    const found = this.found.get(name) ?? { scope, byFinder: new Map<number, readonly string[]>() };
    this.found.set(name, found);
    if (problems.length === 0) found.byFinder.delete(worker);
    else found.byFinder.set(worker, problems);
    for (const problem of problems) {
      if (known.includes(problem)) continue;
      this.options
        .log()
        ?.warn(
          { scope: name },
          `${describe(scope)} lacks a plugin that it lists, and responds with 503 without it: ${problem}`,
        );
    }
    this.show(scope);
  }

  /** Called when a worker has ended: its problems are over. */
  workerGone(worker: number): void {
    for (const { scope, byFinder } of [...this.found.values()]) if (byFinder.delete(worker)) this.show(scope);
  }

  /** Returns what does not run as listed in a scope, one sentence each. */
  problems(scope: Scope): readonly string[] {
    const found = this.found.get(scopeName(scope));
    return found === undefined ? [] : [...new Set([...found.byFinder.values()].flat())];
  }

  /** Passes on the problems of a scope, and forgets it when there are none. */
  private show(scope: Scope): void {
    const problems = this.problems(scope);
    if (problems.length === 0) this.found.delete(scopeName(scope));
    this.options.onProblems?.(describe(scope), problems);
  }

  private begin(sides: ListingManager, { scope, names, isNew }: ListChange): void {
    const work = sides.lists.want(scope, names, { isNew });
    this.underWay.add(work);
    void work.then(() => this.underWay.delete(work));
  }
}

function describe(scope: Scope): string {
  return scope.kind === 'config' ? 'the config' : `the ${scope.kind} ${scope.name}`;
}
