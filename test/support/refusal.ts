// The error of a config check about its plugins.
import type { Plugin } from '../../core/plugin/plugin.ts';
import { instantiate } from '../../core/plugin/plugin-lists.ts';

/** Returns the message that refuses these plugins; empty: they are valid. */
export function refusalOf(plugins: readonly Plugin[]): string {
  try {
    instantiate({ plugins });
    return '';
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
