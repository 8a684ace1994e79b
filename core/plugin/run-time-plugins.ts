// RunTimePlugins: has the plugins of lists that are made at run time start and end, in the manager and in all workers, and knows
// what of them is not as it is listed.
import type { Logger } from 'pino';
import type { PoolPlugins } from '../pool/pool-plugins.ts';
import { type Scope, scopeName } from '../stages/scope.ts';
import { type ListedNames, sameList } from '../state/listed-names.ts';
import type { DefinedPlugins } from './defined-plugins.ts';
import type { ScopeLists, Started } from './scope-lists.ts';

/** The workers, as they start plugins. */
export interface ListingWorkers {
  /** Has all that take requests start what a list needs; it is in force with the list. Rejects with what one of them says. */
  prepare(scope: Scope, names: ListedNames): Promise<void>;
  /** What was prepared is not to be. */
  abandon(scope: Scope): void;
}

/** The manager sides of one config, as they start plugins. */
export interface ListingManager {
  readonly lists: Pick<ScopeLists<Started>, 'prepare' | 'abandon' | 'want'>;
}

/** A list that is another one now. */
export interface ListChange {
  readonly scope: Scope;
  readonly names?: ListedNames;
  /** Is nobody served by the scope yet? Then nobody is before its plugins are there. */
  readonly isNew: boolean;
}

/** What {@link RunTimePlugins} work with. */
export interface RunTimePluginsOptions {
  readonly workers: ListingWorkers;
  log(): Logger | undefined;
  /** Told what of the list of a scope, such as `the pool api`, does not run somewhere; none: all of it does. */
  onProblems?(scope: string, problems: readonly string[]): void;
}

/** The manager itself, among the numbers of workers. */
const managerItself = 0;

/** The lists of pools and routes of one manager, over its reloads. */
export class RunTimePlugins {
  private readonly options: RunTimePluginsOptions;
  /** What operators list, by the names of scopes. */
  private readonly lists = new Map<string, { readonly scope: Scope; readonly names: ListedNames }>();
  private readonly observers = new Set<(change: ListChange) => void>();
  private readonly underWay = new Set<Promise<void>>();
  /** By the names of scopes, and who found them. */
  private readonly found = new Map<string, Map<number, readonly string[]>>();
  private sides: ListingManager | undefined;
  private defined: DefinedPlugins | undefined;

  constructor(options: RunTimePluginsOptions) {
    this.options = options;
  }

  /** What pools need of it. */
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

  /** The manager sides of a config have started: what operators list is to be in force there. Resolves when it is. */
  async takeOver(sides: ListingManager, defined: DefinedPlugins): Promise<void> {
    this.sides = sides;
    this.defined = defined;
    this.found.clear();
    for (const { scope, names } of [...this.lists.values()]) this.begin(sides, scope, names);
    await this.settled();
  }

  /** The sides end: nothing is started until others {@link takeOver}. */
  release(): void {
    this.sides = undefined;
  }

  /** Throws INPUT_INVALID for a list that cannot stand in a scope. */
  expect(scope: Scope, names: ListedNames): void {
    this.defined?.instancesOf(scope, names);
  }

  /**
   * Starts what a list needs, in the manager first and then in all workers. Resolves with how to end it again, if the list is
   * not to be; rejects with INPUT_INVALID or PLUGIN_FAILED, and then nothing is left of it.
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

  /** What operators list for a scope. */
  listOf(scope: Scope): ListedNames {
    return this.lists.get(scopeName(scope))?.names;
  }

  /** What operators list, for a worker that is new. */
  get all(): readonly ListChange[] {
    return Array.from(this.lists.values(), ({ scope, names }) => ({ scope, names, isNew: false }));
  }

  /** Follows the lists, so that the workers hear of them; returns how to stop. */
  observe(observer: (change: ListChange) => void): () => void {
    this.observers.add(observer);
    return () => void this.observers.delete(observer);
  }

  /** A list is in force from now on; undefined: the config's is. */
  want(scope: Scope, names: ListedNames, { isNew }: { readonly isNew: boolean }): void {
    if (sameList(this.listOf(scope), names)) return;
    if (names === undefined) this.lists.delete(scopeName(scope));
    else this.lists.set(scopeName(scope), { scope, names });
    if (this.sides !== undefined) this.begin(this.sides, scope, names);
    for (const observer of this.observers) observer({ scope, names, isNew });
  }

  /** Resolves when the manager sides of all that is listed have started. */
  async settled(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  /** A worker found these; it says all of a scope each time. `worker` undefined: the manager did. */
  report(scope: Scope, problems: readonly string[], worker: number = managerItself): void {
    const known = this.problems(scope);
    const name = scopeName(scope);
    const byFinder = this.found.get(name) ?? new Map<number, readonly string[]>();
    if (problems.length === 0) byFinder.delete(worker);
    else byFinder.set(worker, problems);
    if (byFinder.size === 0) this.found.delete(name);
    else this.found.set(name, byFinder);
    for (const problem of problems) {
      if (known.includes(problem)) continue;
      this.options
        .log()
        ?.warn(
          { scope: name },
          `${describe(scope)} answers 503, as a plugin that it lists is not there: ${problem}`,
        );
    }
    if (known.length + problems.length > 0) this.options.onProblems?.(describe(scope), this.problems(scope));
  }

  /** A worker has ended: what it found is over. */
  workerGone(worker: number): void {
    for (const [name, byFinder] of [...this.found]) {
      if (!byFinder.delete(worker) || byFinder.size > 0) continue;
      this.found.delete(name);
      const scope = this.lists.get(name)?.scope;
      if (scope !== undefined) this.options.onProblems?.(describe(scope), []);
    }
  }

  /** What of a scope's list is not as it is listed, a sentence each. */
  problems(scope: Scope): readonly string[] {
    const byFinder = this.found.get(scopeName(scope));
    return byFinder === undefined ? [] : [...new Set([...byFinder.values()].flat())];
  }

  private begin(sides: ListingManager, scope: Scope, names: ListedNames): void {
    const work = sides.lists.want(scope, names, { isNew: false });
    this.underWay.add(work);
    void work.then(() => this.underWay.delete(work));
  }
}

function describe(scope: Scope): string {
  return scope.kind === 'config' ? 'the config' : `the ${scope.kind} ${scope.name}`;
}
