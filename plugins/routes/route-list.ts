// RouteList: the routes of one list as the manager has them: to try requests on them, and to find those that never match.
import type { Entities } from '../../core/plugin/plugin-kind.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { asList, compileConditions, conditionsOf } from './route-conditions.ts';
import { behindList, type IndexedRoute, type RouteEntry } from './route-entry.ts';
import { RouteIndex } from './route-index.ts';
import type { RouteOptions } from './route-options.ts';
import { RouteShadows } from './route-shadows.ts';

/** A route that is tried. */
export interface TriedRoute extends IndexedRoute {
  readonly options: RouteOptions;
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

/** What is made of the routes when somebody asks for the first time, and kept up to date from then on. */
interface Made {
  readonly routes: Map<string, TriedRoute>;
  readonly index: RouteIndex<TriedRoute>;
  readonly shadows: RouteShadows;
}

/** One list. */
export class RouteList {
  private readonly entities: Entities<RouteOptions>;
  private readonly places: ReadonlyMap<string, number>;
  private made: Made | undefined;

  /** `configured`: the names that the config lists, in its order. */
  constructor(entities: Entities<RouteOptions>, configured: readonly string[]) {
    this.entities = entities;
    this.places = new Map(configured.map((name, place) => [name, place]));
    entities.observe(changes => {
      if (this.made === undefined) return;
      for (const [name, route] of changes) this.put(this.made, name, route);
    });
  }

  /** Every host and path of every route. */
  *entries(): Generator<RouteEntry<TriedRoute>> {
    const { routes, index } = this.whole();
    for (const name of routes.keys()) yield* index.entriesOf(name);
  }

  /** Throws BAD_REQUEST as in a worker. */
  choose(ctx: ProxyContext): RouteEntry<TriedRoute> | undefined {
    return this.whole().index.choose(ctx);
  }

  /** How a route stands behind others. */
  standingOf(name: string): Standing {
    const shadows = this.whole().shadows.of(name);
    const names = [...new Set(shadows.map(({ by }) => by))];
    const isWhole = shadows.some(({ whole }) => whole);
    if (names.length === 0) return { shadowedBy: [], warnings: [] };
    const warning = isWhole
      ? `${name} can never match: what it takes goes to ${named(names)} first`
      : `some of the hosts and paths of ${name} never match: what they take goes to ${named(names)} first`;
    return { shadowedBy: isWhole ? names : [], warnings: [warning] };
  }

  /** The routes that can not match any more because of this one, in a sentence. */
  shadowOf(name: string): string | undefined {
    const { shadows } = this.whole();
    const behind = shadows.under(name).filter(other => shadows.of(other).some(({ whole }) => whole));
    return behind.length === 0 ? undefined : `${name} takes all requests of ${named(behind)} first`;
  }

  private whole(): Made {
    if (this.made !== undefined) return this.made;
    const made: Made = { routes: new Map(), index: new RouteIndex(), shadows: new RouteShadows() };
    for (const [name, route] of this.entities.all) this.put(made, name, route);
    this.made = made;
    return made;
  }

  private put({ routes, index, shadows }: Made, name: string, options: RouteOptions | undefined): void {
    const place = this.places.get(name) ?? behindList;
    const route = options === undefined ? undefined : tried(options);
    index.set(name, route, place);
    shadows.set(name, options, place);
    if (route === undefined) routes.delete(name);
    else routes.set(name, route);
  }
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, maxNamed).join(', ');
  return names.length > maxNamed ? `${shown} and ${names.length - maxNamed} more` : shown;
}

function tried(options: RouteOptions): TriedRoute {
  const { name, priority, host, path } = options;
  return {
    options,
    name,
    priority,
    hosts: host === undefined ? [] : asList(host),
    paths: path === undefined ? [] : asList(path),
    conditions: conditionsOf(options).size,
    holds: compileConditions(options, `route ${name}`),
  };
}
