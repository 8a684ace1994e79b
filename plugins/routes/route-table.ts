// RouteTable: the active routes of one list in a worker, and the index that chooses among them.

import type { WorkerSide } from '../../core/plugin/plugin.ts';
import type { Entities } from '../../core/plugin/plugin-kind.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { RouteFacts } from '../../core/request/route-facts.ts';
import { ActiveRoute } from './active-route.ts';
import { behindList, type RouteEntry } from './route-entry.ts';
import { RouteIndex } from './route-index.ts';
import type { RouteOptions } from './route-options.ts';
import { byPlace, placesOf } from './route-places.ts';

/** The collaborators of a route table. */
export interface RouteTableOptions {
  readonly side: Pick<WorkerSide, 'pools' | 'route'>;
  readonly entities: Entities<RouteOptions>;
  /** The names of the routes in the config, in order. */
  readonly configured: readonly string[];
}

/** The active routes. Routes that a change does not concern stay the same objects, and requests in progress keep theirs. */
export class RouteTable {
  /** Whether any route edits responses. */
  editsResponses = false;
  private readonly options: RouteTableOptions;
  /** The owner of each destination that a request may still have. */
  private readonly owners = new WeakMap<RouteFacts, ActiveRoute>();
  private readonly places: ReadonlyMap<string, number>;
  private readonly index: RouteIndex<ActiveRoute>;

  constructor(options: RouteTableOptions) {
    this.options = options;
    const { entities, configured } = options;
    this.places = placesOf(configured);
    const { inPlace, others } = byPlace(entities.all, configured);
    this.index = new RouteIndex([...inPlace].map(([name, route]) => this.made(name, route)));
    this.change(others);
    entities.observe(changes => this.change(changes));
  }

  choose(ctx: ProxyContext): RouteEntry<ActiveRoute> | undefined {
    return this.index.choose(ctx);
  }

  /** Returns the route that leads to a destination, even if it is no longer active. */
  ownerOf(route: RouteFacts): ActiveRoute | undefined {
    return this.owners.get(route);
  }

  private change(changes: ReadonlyMap<string, RouteOptions | undefined>): void {
    for (const [name, options] of changes) {
      // Among equals, those of the config come first, then those of operators by name.
      const route = options === undefined ? undefined : this.made(name, options);
      this.index.set(name, route, this.places.get(name) ?? behindList);
    }
  }

  private made(name: string, options: RouteOptions): ActiveRoute {
    const route = new ActiveRoute(options, `route ${name}`, this.options.side);
    if (route.responseEdits.length > 0) {
      this.editsResponses = true;
      for (const each of route.routes) this.owners.set(each, route);
    }
    return route;
  }
}
