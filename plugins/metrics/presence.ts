// Presence: what metrics' labels name and is there; what has left its pool, or is no route any more, leaves the output.
import type { ManagerPools } from '../../core/pool/manager-pools.ts';

/** A route that is gone may still have a request under way, which is counted when it ends: it is left out for so long, ms. */
const forgottenFor = 3_600_000;
/** The most names of routes that are remembered. */
const maxGone = 10_000;

/** Knows pools, servers and routes as they were when it last looked. */
export class Presence {
  private pools: ManagerPools | undefined;
  private poolNames: ReadonlySet<string> = new Set();
  private routes: ReadonlySet<string> = new Set();
  /** Names of routes that were there once, and when they had gone. Plugins may make routes of which nobody else knows. */
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

  /** Is all that these labels name there, as far as is known? */
  readonly stays = ({ pool, server, route }: Readonly<Record<string, string>>): boolean => {
    if (route !== undefined && this.gone.has(route)) return false;
    if (pool === undefined || pool === 'other') return true;
    if (!this.poolNames.has(pool)) return false;
    return server === undefined || server === 'other' || this.pools?.get(pool, server) !== undefined;
  };
}
