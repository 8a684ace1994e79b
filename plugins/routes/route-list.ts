// RouteList: the routes of one list as the manager has them: to try requests on them, and to find those that never match.
import type { ProxyContext } from '../../core/request/context.ts';
import { asList, type Conditions, compileConditions, conditionsOf, implies } from './route-conditions.ts';
import { covers } from './route-covering.ts';
import type { IndexedRoute, RouteEntry } from './route-entry.ts';
import { RouteIndex } from './route-index.ts';
import type { RouteOptions } from './route-options.ts';

/** A route that is tried. */
export interface TriedRoute extends IndexedRoute {
  readonly options: RouteOptions;
  readonly asked: Conditions;
}

/** How a route stands to the others of its list. */
export interface Standing {
  /** The routes which take all of its requests first; none: some request can reach it. */
  readonly shadowedBy: readonly string[];
  /** What else is worth saying, each in a sentence. */
  readonly warnings: readonly string[];
}

/** The most routes that a sentence names. */
const maxNamed = 5;

/** One list; what it is made of is asked for when somebody asks after a change. */
export class RouteList {
  private readonly all: () => ReadonlyMap<string, RouteOptions>;
  private index: RouteIndex<TriedRoute> | undefined;
  private byName = new Map<string, RouteEntry<TriedRoute>[]>();

  /** `all`: the routes in force, in the order of equals. */
  constructor(all: () => ReadonlyMap<string, RouteOptions>) {
    this.all = all;
  }

  /** They are others now. */
  changed(): void {
    this.index = undefined;
  }

  /** Every host and path of every route, the one that is asked first at the beginning. */
  get entries(): readonly RouteEntry<TriedRoute>[] {
    return this.made().entries;
  }

  /** Throws BAD_REQUEST as in a worker. */
  choose(ctx: ProxyContext): RouteEntry<TriedRoute> | undefined {
    return this.made().choose(ctx);
  }

  /** How a route stands behind others. */
  standingOf(name: string): Standing {
    const index = this.made();
    const entries = this.byName.get(name) ?? [];
    const before = entries.map(entry =>
      index
        .covering(entry)
        .find(other => other.rank < entry.rank && other.route !== entry.route && takes(other, entry)),
    );
    const names = [...new Set(before.flatMap(entry => entry?.route.name ?? []))];
    if (names.length === 0) return { shadowedBy: [], warnings: [] };
    if (!before.includes(undefined)) {
      const warning = `${name} can never match, as ${named(names)} take all of its requests first`;
      return { shadowedBy: names, warnings: [warning] };
    }
    const warning = `some hosts or paths of ${name} never match, as ${named(names)} take their requests first`;
    return { shadowedBy: [], warnings: [warning] };
  }

  /** The routes that can not match any more because of this one, in a sentence. */
  shadowOf(name: string): string | undefined {
    void this.made();
    const own = this.byName.get(name) ?? [];
    const first = Math.min(...own.map(({ rank }) => rank));
    const behind = new Set<string>();
    for (const entry of this.entries.slice(first + 1)) {
      if (entry.route.name === name || behind.has(entry.route.name)) continue;
      if (this.takesAllOf(own, entry.route)) behind.add(entry.route.name);
    }
    if (behind.size === 0) return undefined;
    return `${name} takes all requests of ${named([...behind])} first`;
  }

  private takesAllOf(own: readonly RouteEntry<TriedRoute>[], { name }: TriedRoute): boolean {
    const theirs = this.byName.get(name) ?? [];
    return theirs.every(entry =>
      own.some(one => one.rank < entry.rank && covers(one, entry) && takes(one, entry)),
    );
  }

  private made(): RouteIndex<TriedRoute> {
    if (this.index !== undefined) return this.index;
    this.index = new RouteIndex([...this.all().values()].map(tried));
    this.byName = new Map();
    for (const entry of this.index.entries) {
      const known = this.byName.get(entry.route.name);
      if (known === undefined) this.byName.set(entry.route.name, [entry]);
      else known.push(entry);
    }
    return this.index;
  }
}

/** Do the further conditions of `wide` hold for whatever meets those of `narrow`? */
const takes = (wide: RouteEntry<TriedRoute>, narrow: RouteEntry<TriedRoute>): boolean =>
  implies(narrow.route.asked, wide.route.asked);

function named(names: readonly string[]): string {
  const shown = names.slice(0, maxNamed).join(', ');
  return names.length > maxNamed ? `${shown} and ${names.length - maxNamed} more` : shown;
}

function tried(options: RouteOptions): TriedRoute {
  const { name, priority, host, path } = options;
  const asked = conditionsOf(options);
  return {
    options,
    asked,
    name,
    priority,
    hosts: host === undefined ? [] : asList(host),
    paths: path === undefined ? [] : asList(path),
    conditions: asked.size,
    holds: compileConditions(options, `route ${name}`),
  };
}
