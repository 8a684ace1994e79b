// Vary: what of a request its response depends on (RFC 9110 section 12.5.5).
import type { HeaderList } from './headers.ts';

/** Adds a field's name to Vary, unless it is there or `*` is. */
export function varyBy(headers: HeaderList, name: string): void {
  const wanted = name.toLowerCase();
  for (const value of headers.getAll('vary')) {
    for (const part of value.split(',')) {
      const known = part.trim();
      if (known === '*' || known.toLowerCase() === wanted) return;
    }
  }
  headers.append('Vary', name);
}
