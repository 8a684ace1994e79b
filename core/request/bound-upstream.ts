// The upstream that a request is bound to, because only that one has what it needs, such as its session.
import type { Upstream } from '../pool/pool.ts';
import { contextSlot } from './context-slot.ts';

/** Set by the plugin that binds a request. A full one is waited for, while other requests would go elsewhere. */
export const boundUpstream = contextSlot<Upstream>('core.bound-upstream');
