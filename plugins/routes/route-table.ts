// RouteTable: the routes of one list that are in force in a worker, and the index that chooses among them.

import type { WorkerSide } from '../../core/plugin/plugin.ts';
import type { Entities } from '../../core/plugin/plugin-kind.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { Route } from '../../core/request/route.ts';
import { ActiveRoute } from './active-route.ts';
import type { RouteEntry } from './route-entry.ts';
import { RouteIndex } from './route-index.ts';
import type { RouteOptions } from './route-options.ts';

/** What it works with. */
export interface RouteTableOptions {
  readonly side: Pick<WorkerSide, 'pools' | 'route'>;
  readonly entities: Entities<RouteOptions>;
  /** The names of the routes that the config lists, in its order. */
  readonly configured: readonly string[];
}

/** The routes at work. Those that a change is not about stay the same objects, and requests under way keep theirs. */
export class RouteTable {
  /** Is there a route which edits responses? */
  editsResponses = false;
  private readonly options: RouteTableOptions;
  private readonly active = new Map<string, ActiveRoute>();
  /** Of all routes that requests may still have. */
  private readonly owners = new WeakMap<Route, ActiveRoute>();
  private readonly places: ReadonlyMap<string, number>;
  private index: RouteIndex<ActiveRoute>;

  constructor(options: RouteTableOptions) {
    this.options = options;
    this.places = new Map(options.configured.map((name, place) => [name, place]));
    for (const [name, route] of options.entities.all) this.put(name, route);
    this.index = new RouteIndex([...this.active.values()]);
    options.entities.observe(changes => this.change(changes));
  }

  choose(ctx: ProxyContext): RouteEntry<ActiveRoute> | undefined {
    return this.index.choose(ctx);
  }

  /** The route that leads to a destination, in force or not any more. */
  ownerOf(route: Route): ActiveRoute | undefined {
    return this.owners.get(route);
  }

  private change(changes: ReadonlyMap<string, RouteOptions | undefined>): void {
    for (const [name, route] of changes) this.put(name, route);
    this.index = new RouteIndex([...this.active.values()].sort((a, b) => this.compare(a.name, b.name)));
  }

  private put(name: string, options: RouteOptions | undefined): void {
    if (options === undefined) {
      this.active.delete(name);
      return;
    }
    const route = new ActiveRoute(options, `route ${name}`, this.options.side);
    this.active.set(name, route);
    if (route.responseEdits.length === 0) return;
    this.editsResponses = true;
    for (const each of route.routes) this.owners.set(each, route);
  }

  /** Of equals the config's list comes first, then those of operators by name. */
  private compare(a: string, b: string): number {
    const last = this.places.size;
    return (this.places.get(a) ?? last) - (this.places.get(b) ?? last) || (a < b ? -1 : 1);
  }
}
