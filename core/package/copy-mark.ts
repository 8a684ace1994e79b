// The mark of a class whose objects may come from another copy of Weldr, such as one that a package of plugins includes.
// The core relies on what its own constructors check, so it rebuilds such an object with its own constructor.

/** Marks a class by its prototype, or a function that is a value itself. */
export function markCopy(name: string, marked: object): void {
  Object.defineProperty(marked, symbolOf(name), { value: marked });
}

/**
 * Returns whether a value was made by the class of this name in another copy of Weldr. `own` is what this copy has marked.
 * Objects of derived classes do not count.
 */
export function isOfOtherCopy(name: string, own: object, value: unknown): value is object {
  try {
    if (typeof value !== 'object' || value === null) return false;
    const prototype: unknown = Object.getPrototypeOf(value);
    return isOtherCopy(name, own, prototype);
  } catch {
    // A Proxy whose traps throw.
    return false;
  }
}

/** Returns whether a value is itself the marked object of another copy of Weldr. */
export function isOtherCopy(name: string, own: object, value: unknown): boolean {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || value === own)
    return false;
  return Object.getOwnPropertyDescriptor(value, symbolOf(name))?.value === value;
}

function symbolOf(name: string): symbol {
  return Symbol.for(`weldr.${name}`);
}
