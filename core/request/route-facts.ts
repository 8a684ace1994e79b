// RouteFacts: what a request's record and plugins know about its route.
import type { Pool } from '../pool/pool.ts';

/** The route of a request. */
export interface RouteFacts {
  /** For logs, metrics and scopes. */
  readonly name: string;
  /** Undefined: it leads to a reply. */
  readonly pool: Pool | undefined;
  /** The path pattern that leads here, such as `/users/:id`; undefined: there is none, or several. */
  readonly pattern: string | undefined;
}
