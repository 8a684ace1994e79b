// Which servers are selected, by key.
import { signal } from '@preact/signals';

export const selection = signal<ReadonlySet<string>>(new Set());

export function tick(keys: readonly string[], isTicked: boolean): void {
  const next = new Set(selection.value);
  for (const key of keys) {
    if (isTicked) next.add(key);
    else next.delete(key);
  }
  selection.value = next;
}
