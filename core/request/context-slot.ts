// Context slot: a typed place for a plugin's value about one request.

declare const slotValue: unique symbol;

/** A typed place for a plugin's value about one request. */
export interface ContextSlot<T> {
  /** For people; two slots of one name are different. */
  readonly name: string;
  readonly [slotValue]?: T;
}

/**
 * Makes a slot. Call it once per module: each call makes a new slot, so a module may be evaluated again at a reload.
 *
 * @example const startedAt = contextSlot<number>('my-plugin.startedAt')
 */
export function contextSlot<T>(name: string): ContextSlot<T> {
  return Object.freeze({ name });
}
