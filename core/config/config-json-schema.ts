// The JSON schema of configs in JSON and YAML, for editors.
import { z } from 'zod';
import { type JsonSchema, toJsonSchema } from '../options/json-schema.ts';
import { type PluginCatalogue, whenForm } from '../plugin/plugin-form.ts';
import { matcherSchema } from '../request/matcher.ts';
import { configWith, definedAs, pluginsOf } from './config.ts';

/** The JSON schema (draft 2020-12) of a whole config, with the options of all plugins of the catalogue. */
export function configJsonSchema(catalogue: PluginCatalogue): JsonSchema {
  return { title: 'Weldr', ...toJsonSchema(configInFile(catalogue)) };
}

/** A config as `loadConfig` takes it from a .json or .yaml file. */
function configInFile(catalogue: PluginCatalogue) {
  const names = [...Object.keys(catalogue), whenForm];
  const alone = z.enum(Object.keys(catalogue).filter(name => canStandAlone(catalogue[name]?.schema)));
  const form = formOf(catalogue, () => scoped);
  const plugin = z
    .union([alone, form])
    .meta({ id: 'plugin', description: 'A plugin by its name, or its name with options.' });
  // Any text may be the name of one of `define`; an editor offers the plugins' own.
  const scoped = z.union([alone, z.string(), form]).meta({
    id: 'scopedPlugin',
    description: 'The name of one of `define`, or a plugin by its name, or its name with options.',
  });
  const defineName = z.string().meta({ not: { enum: names } });
  return configWith({
    plugins: pluginsOf(plugin),
    scoped: pluginsOf(scoped),
    define: definedAs(plugin, defineName),
  }).extend({
    $schema: z.string().optional().describe('The place of this schema, for editors.'),
  });
}

/** `{ "name": { …options } }`: an object whose only key besides `id` is the name of a plugin. */
function formOf(catalogue: PluginCatalogue, scoped: () => z.ZodType): z.ZodType {
  const options: Record<string, z.ZodType> = {};
  for (const [name, { schema }] of Object.entries(catalogue)) {
    options[name] = optionsOf(schema ?? z.strictObject({}));
  }
  const when = z
    .strictObject({
      match: matcherSchema.describe('Which requests: all keys must hold, and any element of a list.'),
      get plugins() {
        return pluginsOf(scoped()).describe('The plugins for these requests.');
      },
    })
    .describe('Plugins for the requests that a matcher selects.');
  return z
    .strictObject({
      ...options,
      [whenForm]: when.optional(),
      id: z
        .string()
        .min(1)
        .optional()
        .describe('Distinguishes plugins with the same name in a list; all but one need it.'),
    })
    .meta({
      id: 'pluginWithOptions',
      minProperties: 1,
      if: { required: ['id'] },
      // biome-ignore lint/suspicious/noThenProperty: JSON schema's keyword
      then: { minProperties: 2, maxProperties: 2 },
      else: { maxProperties: 1 },
    });
}

/** In YAML, `stats:` with nothing after it is null. */
function optionsOf(schema: z.ZodType): z.ZodType {
  return canStandAlone(schema) ? schema.nullable().optional() : schema.optional();
}

/** Returns whether each option can be left out. */
function canStandAlone(schema: z.ZodType | undefined): boolean {
  return schema === undefined || schema.safeParse({}).success;
}
