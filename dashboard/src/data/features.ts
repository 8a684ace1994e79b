// The calls that the admin API of this Weldr lists.
import { useAsked } from './asked.ts';

export interface Feature {
  readonly rel: string;
  readonly href: string;
  readonly method: string;
}

/** Undefined until known. */
export function useFeatures(): readonly Feature[] | undefined {
  return useAsked<{ links: Feature[] }>('/', 60_000).value?.links;
}

export const has = (features: readonly Feature[], href: string): boolean =>
  features.some(feature => feature.href === href);
