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

/** Admission of an inner scope. */
export type Admission = RequestHooks['request'];

/** The end of a request for an inner scope which it has left before. */
export type Departure = RequestHooks['finished'];
