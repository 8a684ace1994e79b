// Context slot: a typed place for what a plugin keeps about one request.

declare const slotValue: unique symbol;

/** A typed place for what a plugin keeps about one request. */
export interface ContextSlot<T> {
  /** For people; two slots of one name are two slots. */
  readonly name: string;
  readonly [slotValue]?: T;
}

/**
 * Makes a slot, once a module. Each call makes another one, so a module may be evaluated again at a reload.
 *
 * @example const startedAt = contextSlot<number>('my-plugin.startedAt')
 */
export function contextSlot<T>(name: string): ContextSlot<T> {
  return Object.freeze({ name });
}
