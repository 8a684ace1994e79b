// The upstream that a request is bound to: what it needs is there and nowhere else, such as a session.
import type { Upstream } from '../pool/pool.ts';
import { contextSlot } from './context-slot.ts';

/** Set by who chooses it for that reason. It is waited for where it is full, while others would be chosen for other requests. */
export const boundUpstream = contextSlot<Upstream>('core.bound-upstream');
