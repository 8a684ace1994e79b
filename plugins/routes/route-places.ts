// RoutePlaces: the order of otherwise equal routes: those of the config in its order, then those of operators by name.

/** Returns the places of the names in a config. */
export function placesOf(configured: readonly string[]): ReadonlyMap<string, number> {
  return new Map(configured.map((name, place) => [name, place]));
}

/**
 * Divides routes into those in config order, which can be indexed at once, and the others, which are added one by one.
 */
export function byPlace<T>(
  all: ReadonlyMap<string, T>,
  configured: readonly string[],
): { readonly inPlace: ReadonlyMap<string, T>; readonly others: ReadonlyMap<string, T> } {
  const inPlace = new Map<string, T>();
  for (const name of configured) {
    const one = all.get(name);
    // After an inactive route, the places would differ.
    if (one === undefined) break;
    inPlace.set(name, one);
  }
  return { inPlace, others: new Map([...all].filter(([name]) => !inPlace.has(name))) };
}
