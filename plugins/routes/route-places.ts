// Where routes stand among equals: as the config lists them; those of operators stand behind, by name.

/** The places of the names that a config lists. */
export function placesOf(configured: readonly string[]): ReadonlyMap<string, number> {
  return new Map(configured.map((name, place) => [name, place]));
}

/**
 * Those that stand where a list of all of them would have them, which is made an index of at once, and the others, which are put
 * in one by one.
 */
export function byPlace<T>(
  all: ReadonlyMap<string, T>,
  configured: readonly string[],
): { readonly inPlace: ReadonlyMap<string, T>; readonly others: ReadonlyMap<string, T> } {
  const inPlace = new Map<string, T>();
  for (const name of configured) {
    const one = all.get(name);
    // Behind one that is not in force the places would be others.
    if (one === undefined) break;
    inPlace.set(name, one);
  }
  return { inPlace, others: new Map([...all].filter(([name]) => !inPlace.has(name))) };
}
