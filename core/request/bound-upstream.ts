// The upstream that a request is bound to, because only that one has what it needs, such as its session.
import type { Upstream } from '../pool/pool.ts';
import { contextSlot } from './context-slot.ts';

/** Set by the plugin that binds a request. The request waits for it if it is full; others would go elsewhere. */
export const boundUpstream = contextSlot<Upstream>('core.bound-upstream');
