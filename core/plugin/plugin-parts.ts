// PluginParts: the plugins in `define` and in the lists of a config: found by the items of lists, checked, with their
// options parsed once, no matter where they are listed.
import { nearest } from '../errors/nearest.ts';
import {
  checkContract,
  checkParts,
  expectPlugin,
  hasCode,
  invalid,
  isPlugin,
  parseOptions,
} from './listed-item.ts';
import type { Plugin } from './plugin.ts';
import { type PlacedPlugin, type PluginCatalogue, pluginOf, whenForm } from './plugin-form.ts';

/** Resolves the items of the lists of one config. */
export class PluginParts {
  private readonly catalogue: PluginCatalogue | undefined;
  /** By name; options of unused plugins are checked too. */
  private readonly defined = new Map<string, PlacedPlugin>();
  /** The results of forms and of options: made once, no matter where they are listed. */
  private readonly formed = new Map<unknown, PlacedPlugin>();
  private readonly options = new Map<Plugin, unknown>();

  /** Throws CONFIG_INVALID for what is wrong with `define`. */
  constructor(define: Readonly<Record<string, unknown>>, catalogue: PluginCatalogue | undefined) {
    this.catalogue = catalogue;
    for (const [name, value] of Object.entries(define)) {
      if (catalogue !== undefined && (Object.hasOwn(catalogue, name) || name === whenForm)) {
        throw invalid(`define.${name}`, 'this is the name of a plugin of Weldr; choose another');
      }
      this.defined.set(name, this.made(value, `define.${name}`));
    }
    for (const placed of this.defined.values()) this.prepareAll(placed);
  }

  /** The names of `define`. */
  get names(): readonly string[] {
    return [...this.defined.keys()];
  }

  /** Returns the name in `define` if an item is one; undefined: it is not. */
  nameOf(item: unknown): string | undefined {
    return typeof item === 'string' && this.defined.has(item) ? item : undefined;
  }

  /** Returns the plugin of an item: a plugin itself, the name of one in `define`, or a form. Throws CONFIG_INVALID. */
  find(item: unknown, where: string): PlacedPlugin {
    if (typeof item !== 'string') return this.made(item, where);
    const defined = this.defined.get(item);
    if (defined !== undefined) return defined;
    return this.catalogue === undefined ? this.refuseName(item, where) : this.made(item, where);
  }

  /** Returns the plugin of a name in `define`. Throws CONFIG_INVALID with the name that may have been meant. */
  findDefined(name: string, where: string): PlacedPlugin {
    const defined = this.defined.get(name);
    if (defined === undefined) throw invalid(where, this.unknown(name));
    return defined;
  }

  /** Checks a plugin and returns its options, parsed. */
  prepare(plugin: Plugin, at: string): unknown {
    if (!this.options.has(plugin)) {
      checkParts(plugin, at);
      checkContract(plugin, at);
      this.options.set(plugin, parseOptions(plugin, at));
    }
    return this.options.get(plugin);
  }

  private refuseName(item: string, where: string): never {
    const why = this.unknown(item);
    const isNear = nearest(item, this.names) !== undefined;
    const isCall = /^[A-Za-z]+$/.test(item) && /^plugins\[\d+\]$/.test(where) && !isNear;
    throw invalid(where, isCall ? `${why}; in code a plugin is called: ${item}()` : why);
  }

  private unknown(item: string): string {
    const known = this.names;
    const near = nearest(item, known);
    const has =
      near === undefined ? `, which has ${known.join(', ')}` : `; did you mean ${JSON.stringify(near)}?`;
    return `there is no plugin ${JSON.stringify(item)} in define${known.length === 0 ? '' : has}`;
  }

  /** Returns the plugin that a config in code made, or that a form asks for. */
  private made(item: unknown, where: string): PlacedPlugin {
    if (this.catalogue === undefined) return { plugin: expectPlugin(item, where), at: where };
    if (isPlugin(item) && hasCode(item)) return { plugin: item, at: where };
    const before = typeof item === 'object' ? this.formed.get(item) : undefined;
    if (before !== undefined) return before;
    const placed = pluginOf(item, where, this.catalogue, this.names);
    this.formed.set(item, placed);
    return placed;
  }

  /** Prepares a plugin with all plugins within it. */
  private prepareAll({ plugin, at }: PlacedPlugin): void {
    this.prepare(plugin, at);
    for (const child of plugin.children ?? []) {
      for (const [index, item] of child.plugins.entries()) {
        const placed = this.find(item, `${at}.${child.field ?? 'plugins'}[${index}]`);
        // Plugins of `define` are prepared there.
        if (this.nameOf(item) === undefined) this.prepareAll(placed);
      }
    }
  }
}
