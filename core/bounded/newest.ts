// Keeps a map or set small: the key that was added first makes room.

/** Deletes the oldest key when there are more than `most`. Call it after each key that is added. */
export function keepNewest<K>(kept: Map<K, unknown> | Set<K>, most: number): void {
  if (kept.size <= most) return;
  for (const oldest of kept.keys()) {
    kept.delete(oldest);
    return;
  }
}
