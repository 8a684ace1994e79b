// Vary: the request fields that a response depends on (RFC 9110 section 12.5.5).
import type { HeaderList } from './headers.ts';

/** Adds a field's name to Vary, unless it or `*` is listed. */
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
