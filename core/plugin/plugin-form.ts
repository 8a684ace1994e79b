// Plugin forms: how a config in JSON or YAML asks for plugins, by the names of Weldr's exports.
import { z } from 'zod';
import { nearest } from '../errors/nearest.ts';
import { WeldrError } from '../errors.ts';
import { parse, showInput } from '../options/options.ts';
import { matcherSchema } from '../request/matcher.ts';
import { withId } from './define-plugin.ts';
import type { Plugin } from './plugin.ts';
import { whenOf } from './when.ts';

/** One of Weldr's plugins: what `definePlugin` made. */
export interface CataloguedPlugin {
  (options?: unknown): Plugin;
  readonly pluginName: string;
  /** The schema of the options; undefined: it takes none. */
  readonly schema: z.ZodType | undefined;
}

/** The plugins that a config in JSON or YAML can name: Weldr's own, by the names of their exports. */
export type PluginCatalogue = Readonly<Record<string, CataloguedPlugin>>;

/** A plugin, and the place of its options, such as `plugins[2].rateLimit`. */
export interface PlacedPlugin {
  readonly plugin: Plugin;
  readonly at: string;
}

/** The name of the form of `when(matcher, …)`: `{ "when": { "match": { … }, "plugins": [ … ] } }`. */
export const whenForm = 'when';

const whenOptions = z.strictObject({
  match: z.unknown(),
  plugins: z
    .array(
      z.union([z.string(), z.record(z.string(), z.unknown())], {
        error: ({ input }) => `${expectedForm}, got ${showInput(input)}`,
      }),
    )
    .max(1000),
});

const expectedForm = 'expected a plugin\'s name or {"name": {…options}}';

/**
 * Makes the plugin of a form: `"stats"`, `{ "stats": { "interval": "1s" } }`, or with `"id": "x"` beside the name, as
 * `withId` adds it. Only the options of `when` are checked here. Throws CONFIG_INVALID with the place and the nearest
 * name, including those of `define`.
 */
export function pluginOf(
  form: unknown,
  where: string,
  catalogue: PluginCatalogue,
  defined: readonly string[] = [],
): PlacedPlugin {
  const { name, options, id } = partsOf(form, where);
  const at = `${where}.${name}`;
  const plugin =
    name === whenForm ? conditional(options, at) : factoryOf(name, where, catalogue, defined)(options);
  return { plugin: id === undefined ? plugin : withId(id, plugin), at };
}

interface FormParts {
  readonly name: string;
  readonly options: unknown;
  readonly id: string | undefined;
}

function partsOf(form: unknown, where: string): FormParts {
  if (typeof form === 'string') return { name: form, options: undefined, id: undefined };
  if (typeof form === 'object' && form !== null && !Array.isArray(form)) {
    const { id, ...named }: { id?: unknown } = form;
    const [only, ...more] = Object.entries(named);
    if (id !== undefined && (typeof id !== 'string' || id === '')) {
      throw invalid(`${where}.id`, `expected text, got ${showInput(id)}`);
    }
    if (only !== undefined && more.length === 0) {
      const [name, options] = only;
      return { name, options: options ?? undefined, id };
    }
  }
  throw invalid(where, `${expectedForm}, got ${showInput(form)}`);
}

function factoryOf(name: string, where: string, catalogue: PluginCatalogue, defined: readonly string[]) {
  const factory = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
  if (factory !== undefined) return factory;
  throw invalid(
    where,
    `there is no plugin ${JSON.stringify(name)}; ${hint(name, [...Object.keys(catalogue), whenForm, ...defined])}`,
  );
}

/** Returns the name that may have been meant, or all names. */
function hint(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? `known: ${names.join(', ')}` : `did you mean ${JSON.stringify(near)}?`;
}

function conditional(options: unknown, at: string): Plugin {
  const { match, plugins } = parse(whenOptions, options, 'CONFIG_INVALID', at);
  return whenOf(parse(matcherSchema, match, 'CONFIG_INVALID', `${at}.match`), plugins);
}

function invalid(field: string, message: string): WeldrError {
  return new WeldrError('CONFIG_INVALID', `${field}: ${message}`, { field });
}
