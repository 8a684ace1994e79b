// RouteList: the routes of one list in the manager, to test requests on them and to find routes that never match.
import type { Entities } from '../../core/plugin/plugin-kind.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { asList, compileConditions, conditionsOf } from './route-conditions.ts';
import { behindList, type IndexedRoute, type RouteEntry } from './route-entry.ts';
import { RouteIndex } from './route-index.ts';
import type { RouteOptions } from './route-options.ts';
import { byPlace, placesOf } from './route-places.ts';
import { RouteShadows } from './route-shadows.ts';

/** A route that requests are tested on. */
export interface TriedRoute extends IndexedRoute {
  readonly options: RouteOptions;
}

/** How a route relates to the others of its list. */
export interface Standing {
  /** The routes that take all of its requests first; empty: some request can reach it. */
  readonly shadowedBy: readonly string[];
  /** Warnings, each in a sentence. */
  readonly warnings: readonly string[];
}

/** The most routes named in a sentence. */
const maxNamed = 5;

/** The routes to test requests on: built for the first test, and kept up to date from then on. */
interface Trials {
  readonly routes: Map<string, TriedRoute>;
  readonly index: RouteIndex<TriedRoute>;
}

/** One list. */
export class RouteList {
  private readonly entities: Entities<RouteOptions>;
  private readonly places: ReadonlyMap<string, number>;
  /** Built at the start: otherwise the first change would wait for it. */
  private readonly shadows: RouteShadows;
  private trials: Trials | undefined;

  /** @param configured the names in the config, in order */
  constructor(entities: Entities<RouteOptions>, configured: readonly string[]) {
    this.entities = entities;
    this.places = placesOf(configured);
    const { inPlace, others } = byPlace(entities.all, configured);
    this.shadows = new RouteShadows([...inPlace.values()]);
    for (const [name, route] of others) this.shadows.set(name, route, this.placeOf(name));
    entities.observe(changes => {
      for (const [name, route] of changes) {
        this.shadows.set(name, route, this.placeOf(name));
        if (this.trials !== undefined) this.put(this.trials, name, route);
      }
    });
  }

  /** Yields every host and path of every route. */
  *entries(): Generator<RouteEntry<TriedRoute>> {
    const { routes, index } = this.tried();
    for (const name of routes.keys()) yield* index.entriesOf(name);
  }

  /** Returns the entry that takes a request. Throws BAD_REQUEST as in a worker. */
  choose(ctx: ProxyContext): RouteEntry<TriedRoute> | undefined {
    return this.tried().index.choose(ctx);
  }

  /** Returns how others precede a route. */
  standingOf(name: string): Standing {
    const shadows = this.shadows.of(name);
    const names = [...new Set(shadows.map(({ by }) => by))];
    const isWhole = shadows.some(({ whole }) => whole);
    if (names.length === 0) return { shadowedBy: [], warnings: [] };
    const warning = isWhole
      ? `${name} can never match: all of its requests go to ${named(names)} first`
      : `some of the hosts and paths of ${name} never match: their requests go to ${named(names)} first`;
    return { shadowedBy: isWhole ? names : [], warnings: [warning] };
  }

  /** Returns the routes that can no longer match because of this one, in a sentence. */
  shadowOf(name: string): string | undefined {
    const { shadows } = this;
    const behind = shadows.under(name).filter(other => shadows.of(other).some(({ whole }) => whole));
    return behind.length === 0 ? undefined : `${name} takes all requests of ${named(behind)} first`;
  }

  private tried(): Trials {
    if (this.trials !== undefined) return this.trials;
    const trials: Trials = { routes: new Map(), index: new RouteIndex() };
    for (const [name, route] of this.entities.all) this.put(trials, name, route);
    this.trials = trials;
    return trials;
  }

  private put({ routes, index }: Trials, name: string, options: RouteOptions | undefined): void {
    const route = options === undefined ? undefined : tried(options);
    index.set(name, route, this.placeOf(name));
    if (route === undefined) routes.delete(name);
    else routes.set(name, route);
  }

  private placeOf(name: string): number {
    return this.places.get(name) ?? behindList;
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
