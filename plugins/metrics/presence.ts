// Presence: whether the servers, pools and routes in the labels of a metric still exist; others leave the output.
import type { ManagerPools } from '../../core/pool/manager-pools.ts';

/** How long a removed route is left out, ms: its requests in progress are still counted when they end. */
const forgottenFor = 3_600_000;
/** The most names of removed routes that are remembered. */
const maxGone = 10_000;

/** Knows the pools, servers and routes of its last look. */
export class Presence {
  private pools: ManagerPools | undefined;
  private poolNames: ReadonlySet<string> = new Set();
  private routes: ReadonlySet<string> = new Set();
  /** Removed routes, with the time of removal. Other unknown names stay: plugins may make routes that only they know. */
  private readonly gone = new Map<string, number>();

  look(pools: ManagerPools, routes: readonly string[], now: number): void {
    const current = new Set(routes);
    for (const name of this.routes) {
      if (!current.has(name) && this.gone.size < maxGone) this.gone.set(name, now);
    }
    for (const [name, since] of this.gone) {
      if (current.has(name) || now - since > forgottenFor) this.gone.delete(name);
    }
    this.pools = pools;
    this.poolNames = new Set(pools.names);
    this.routes = current;
  }

  /** Whether everything that these labels name exists, as far as is known. */
  readonly stays = ({ pool, server, route }: Readonly<Record<string, string>>): boolean => {
    if (route !== undefined && this.gone.has(route)) return false;
    if (pool === undefined || pool === 'other') return true;
    if (!this.poolNames.has(pool)) return false;
    return server === undefined || server === 'other' || this.pools?.get(pool, server) !== undefined;
  };
}
