// ScopeLists: the plugins of the scopes whose lists change at run time, on one side. It starts what is missing,
// replaces what is active in one step, and ends what is no longer listed.
import { describeError } from '../errors.ts';
import { type Scope, scopeName } from '../stages/scope.ts';
import type { ListedNames } from '../state/listed-names.ts';
import type { DefinedPlugins } from './defined-plugins.ts';
import type { PluginInstance } from './plugin-instance.ts';

/** One plugin that runs. */
export interface Started {
  readonly instance: PluginInstance;
}

/** Why nothing passes through a scope: its plugins are being started, or one of them cannot start. */
export type Hold = 'starting' | 'incomplete';

/** What starts and ends plugins. */
export interface PluginStarter<S extends Started> {
  /** Rejects with the reason why it did not start, after its clean-ups. */
  start(instance: PluginInstance): Promise<S>;
  /** Throws for plugins that cannot be in a scope together. */
  check?(scope: Scope, started: readonly S[]): void;
  /** Makes these active in a scope, in this order. With a `hold`, nothing passes until others are placed. */
  place(scope: Scope, started: readonly S[], hold: Hold | undefined): void;
  /** Runs its clean-ups once it is no longer needed. Does not reject. */
  end(started: S): Promise<void>;
}

/** Plugins that were started for a list that is not active yet. */
interface Staged<S> {
  readonly key: string;
  readonly plugins: readonly S[];
  /** The plugins that did not run before. */
  readonly fresh: readonly S[];
  readonly problems: readonly string[];
}

interface Standing<S> {
  readonly scope: Scope;
  current: readonly S[];
  staged: Staged<S> | undefined;
  problems: readonly string[];
  /** Resolves when everything requested so far is done; undefined: nothing is under way. */
  turn: Promise<void> | undefined;
}

/** Receives what cannot run as listed. */
export type ProblemReport = (scope: Scope, problems: readonly string[]) => void;

/** The lists of one process for one config. */
export class ScopeLists<S extends Started> {
  private readonly starter: PluginStarter<S>;
  private readonly defined: DefinedPlugins;
  private readonly report: ProblemReport;
  private readonly scopes = new Map<string, Standing<S>>();
  private readonly ending = new Set<Promise<void>>();

  constructor(starter: PluginStarter<S>, defined: DefinedPlugins, report: ProblemReport) {
    this.starter = starter;
    this.defined = defined;
    this.report = report;
  }

  /** Takes plugins of the config in a scope, which already run. */
  adopt(scope: Scope, started: readonly S[]): void {
    this.standing(scope).current = started;
  }

  /** How many scopes have plugins, or are about to have some. */
  get size(): number {
    return this.scopes.size;
  }

  /**
   * Starts what a list needs; {@link want} makes it active. Rejects with INPUT_INVALID or PLUGIN_FAILED, and then nothing
   * of it remains.
   */
  async prepare(scope: Scope, names: ListedNames): Promise<void> {
    await this.inTurn(scope, async standing => {
      await this.unstage(standing);
      const instances = this.defined.instancesOf(scope, names);
      const staged = await this.startAll(standing, keyOf(names), instances, 'all');
      try {
        this.starter.check?.(scope, staged.plugins);
      } catch (thrown) {
        await this.endAll(staged.fresh);
        throw thrown;
      }
      standing.staged = staged;
    });
  }

  /** Ends what was prepared. */
  async abandon(scope: Scope): Promise<void> {
    if (!this.scopes.has(scopeName(scope))) return;
    await this.inTurn(scope, standing => this.unstage(standing));
  }

  /**
   * Makes a list active, before it returns if everything that the list needs already runs. Plugins that do not start are
   * reported, and nothing passes through the scope: a missing plugin may be the one that admits requests. `isNew`:
   * nothing may pass before all have started, either. Does not reject.
   */
  async want(scope: Scope, names: ListedNames, how: { readonly isNew: boolean }): Promise<void> {
    const standing = this.standing(scope);
    const key = keyOf(names);
    if (standing.turn === undefined) {
      const ready = standing.staged?.key === key ? standing.staged : this.runningOnes(standing, key, names);
      if (ready !== undefined) {
        this.commit(standing, ready);
        return;
      }
    }
    if (how.isNew && standing.current.length === 0) this.starter.place(scope, [], 'starting');
    await this.inTurn(scope, async () => {
      const { staged } = standing;
      if (staged?.key === key) {
        this.commit(standing, staged);
        return;
      }
      const { instances, problems } = this.defined.usableOf(scope, names);
      this.commit(standing, await this.startAll(standing, key, instances, 'usable', problems));
    });
  }

  /** Resolves when nothing is under way, apart from plugins that end. */
  async settled(): Promise<void> {
    for (const { turn } of [...this.scopes.values()]) await turn;
  }

  /** Resolves when everything requested so far for a scope is done; undefined: it is. */
  turnOf(scope: Scope): Promise<void> | undefined {
    return this.scopes.get(scopeName(scope))?.turn;
  }

  /** Resolves when all plugins that are no longer listed have ended. */
  async ended(): Promise<void> {
    await Promise.all(this.ending);
  }

  private runningOnes(standing: Standing<S>, key: string, names: ListedNames): Staged<S> | undefined {
    const { instances, problems } = this.defined.usableOf(standing.scope, names);
    const plugins = instances.map(instance => runningOf(standing.current, instance));
    if (plugins.includes(undefined)) return undefined;
    return { key, plugins: plugins.filter(plugin => plugin !== undefined), fresh: [], problems };
  }

  /** Starts what does not run: all of it or nothing, or as much as possible. */
  private async startAll(
    { current }: Standing<S>,
    key: string,
    instances: readonly PluginInstance[],
    which: 'all' | 'usable',
    known: readonly string[] = [],
  ): Promise<Staged<S>> {
    const plugins: S[] = [];
    const fresh: S[] = [];
    const problems = [...known];
    for (const instance of instances) {
      const running = runningOf(current, instance);
      try {
        const plugin = running ?? (await this.starter.start(instance));
        plugins.push(plugin);
        if (running === undefined) fresh.push(plugin);
      } catch (thrown) {
        if (which === 'all') {
          await this.endAll(fresh);
          throw thrown;
        }
        problems.push(describeError(thrown));
      }
    }
    return { key, plugins, fresh, problems };
  }

  private commit(standing: Standing<S>, { plugins, problems }: Staged<S>): void {
    const { scope, current, staged } = standing;
    this.starter.place(scope, plugins, problems.length > 0 ? 'incomplete' : undefined);
    standing.current = plugins;
    standing.staged = undefined;
    const left = [...current, ...(staged?.fresh ?? [])].filter(plugin => !plugins.includes(plugin));
    if (left.length > 0) {
      const over = this.endAll(left);
      this.ending.add(over);
      void over.then(() => this.ending.delete(over));
    }
    if (problems.length > 0 || standing.problems.length > 0) this.report(scope, problems);
    standing.problems = problems;
    this.tidy(standing);
  }

  private async unstage(standing: Standing<S>): Promise<void> {
    const { staged } = standing;
    standing.staged = undefined;
    if (staged !== undefined) await this.endAll(staged.fresh);
  }

  /** The last to start is the first to end. */
  private async endAll(plugins: readonly S[]): Promise<void> {
    for (const plugin of plugins.toReversed()) await this.starter.end(plugin);
  }

  /** Requests for one scope are handled one after another. */
  private async inTurn(scope: Scope, work: (standing: Standing<S>) => Promise<void>): Promise<void> {
    const standing = this.standing(scope);
    const before = standing.turn;
    const done = (async () => {
      await before;
      await work(standing);
    })();
    const turn = done.then(
      () => {},
      () => {},
    );
    standing.turn = turn;
    try {
      await done;
    } finally {
      if (standing.turn === turn) standing.turn = undefined;
      this.tidy(standing);
    }
  }

  private standing(scope: Scope): Standing<S> {
    const name = scopeName(scope);
    const known = this.scopes.get(name);
    if (known !== undefined) return known;
    const made: Standing<S> = { scope, current: [], staged: undefined, problems: [], turn: undefined };
    this.scopes.set(name, made);
    return made;
  }

  /** Forgets a scope that no longer has plugins. */
  private tidy({ scope, current, staged, problems, turn }: Standing<S>): void {
    const isEmpty = current.length === 0 && staged === undefined && problems.length === 0;
    if (isEmpty && turn === undefined) this.scopes.delete(scopeName(scope));
  }
}

const keyOf = (names: ListedNames): string => JSON.stringify(names ?? null);

/** Returns the plugin that runs as this instance. Another one of `define` may have the same name. */
function runningOf<S extends Started>(current: readonly S[], instance: PluginInstance): S | undefined {
  return current.find(
    ({ instance: known }) => known.plugin === instance.plugin && known.name === instance.name,
  );
}
