// What the check of a config says against its plugins.
import type { Plugin } from '../../core/plugin/plugin.ts';
import { instantiate } from '../../core/plugin/plugin-lists.ts';

/** The message that these plugins are refused with; empty: they are not. */
export function refusalOf(plugins: readonly Plugin[]): string {
  try {
    instantiate({ plugins });
    return '';
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
