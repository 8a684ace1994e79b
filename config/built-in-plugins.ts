// Built-in plugins: Weldr's own, by the names of their exports from `weldr/plugins`.
import type { PluginCatalogue } from '../core/plugin/plugin-form.ts';

/** Returns what a config in JSON or YAML can name, as if it began with `import * from 'weldr/plugins'`. */
export async function builtInPlugins(): Promise<PluginCatalogue> {
  // By the name of the package's export, because nothing in this folder may import plugins.
  const exports: PluginCatalogue = await import(import.meta.resolve('weldr/plugins'));
  return { ...exports };
}
