// Which dialog is open, and for which servers.
import { signal } from '@preact/signals';

export type Asked =
  | { readonly what: 'add' }
  | { readonly what: 'remove' | 'weight' | 'details'; readonly keys: readonly string[] };

export const asked = signal<Asked | undefined>(undefined);
