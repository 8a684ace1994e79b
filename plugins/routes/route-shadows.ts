// RouteShadows: finds routes that never match because others take all of their requests first. Routes come and go one by one.
import { asList, type Conditions, conditionsOf, implies } from './route-conditions.ts';
import { behindList, type IndexedRoute, type RouteEntry } from './route-entry.ts';
import { RouteIndex } from './route-index.ts';
import type { RouteOptions } from './route-options.ts';

/** A route in the form that is compared with others. */
interface CheckedRoute extends IndexedRoute {
  readonly asked: Conditions;
}

/** A host and a path of a route that never match, because another route takes all of their requests. */
export interface Shadow {
  readonly entry: RouteEntry;
  /** The name of the other route. */
  readonly by: string;
  /** Whether all hosts and paths of the route are shadowed by others. */
  readonly whole: boolean;
}

/** Routes and their shadows. The cost of one does not depend on the number of others. */
export class RouteShadows {
  private readonly index: RouteIndex<CheckedRoute>;

  /** @param routes a list of routes with unique names */
  constructor(routes: readonly RouteOptions[] = []) {
    this.index = new RouteIndex(routes.map(checkedRoute));
  }

  /** Like {@link RouteIndex.set}. */
  set(name: string, route: RouteOptions | undefined, place: number = behindList): void {
    this.index.set(name, route === undefined ? undefined : checkedRoute(route), place);
  }

  /** Returns the hosts and paths of a route that are shadowed by others. */
  of(name: string): Shadow[] {
    const entries = this.index.entriesOf(name);
    const shadows = entries.flatMap(entry => {
      const by = this.shadowing(entry);
      return by === undefined ? [] : [{ entry, by }];
    });
    const whole = shadows.length === entries.length;
    return shadows.map(shadow => ({ ...shadow, whole }));
  }

  /** Returns the names of the routes with a host and path that this one shadows. */
  under(name: string): string[] {
    const names = new Set<string>();
    for (const entry of this.index.entriesOf(name)) {
      this.index.behind(entry, ({ route }) => {
        if (route !== entry.route && implies(route.asked, entry.route.asked)) names.add(route.name);
      });
    }
    return [...names];
  }

  private shadowing(entry: RouteEntry<CheckedRoute>): string | undefined {
    for (const { route } of this.index.before(entry)) {
      if (route !== entry.route && implies(entry.route.asked, route.asked)) return route.name;
    }
    return undefined;
  }
}

function checkedRoute(route: RouteOptions): CheckedRoute {
  const asked = conditionsOf(route);
  return {
    asked,
    name: route.name,
    priority: route.priority,
    hosts: route.host === undefined ? [] : asList(route.host),
    paths: route.path === undefined ? [] : asList(route.path),
    conditions: asked.size,
    holds: undefined,
  };
}
