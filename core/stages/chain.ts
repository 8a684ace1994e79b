// Chain: the hooks of several plugins, joined into what a request goes through in one part of its life.
import type { RequestHooks } from './request-hooks.ts';

/** The stages of the whole config that come before route and pool are known, and those of the connection. */
export type Entrance = Pick<RequestHooks, 'connection' | 'request' | 'route' | 'connectionFinished'>;

/** The stages of the requests of one route and pool, inner scopes first. */
export type Chain = Pick<
  RequestHooks,
  | 'selectUpstream'
  | 'eligible'
  | 'preProxy'
  | 'judge'
  | 'postProxy'
  | 'respond'
  | 'attemptFinished'
  | 'finished'
>;

/** The `request` stage of an inner scope. */
export type Admission = RequestHooks['request'];

/** The `finished` stage of an inner scope that the request has left. */
export type Departure = RequestHooks['finished'];
