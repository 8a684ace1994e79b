// PluginKind: a sort of thing that a plugin owns and operators may change at run time, and how plugins see such things.
import type { z } from 'zod';
import type { Scope } from '../stages/scope.ts';
import type { JsonObject } from '../state/merge-patch.ts';

/** One thing that the options of a plugin list. */
export interface KindItem<Item = unknown> {
  /** Its name; unique in a config. */
  readonly key: string;
  readonly item: Item;
  /** The option that holds the name, for messages: `routes[3].name`. */
  readonly field: string;
}

/** An item as JSON. */
export interface PlainItem {
  /** As the schema parses it, without the fields that are code. */
  readonly value: JsonObject;
  /** The names of fields that hold code: they are shown by name, and cannot be changed at run time. */
  readonly code: readonly string[];
}

/** The parts of the active config that a thing may contradict. */
export interface KindFacts {
  /** The names of listeners. */
  readonly listeners: readonly string[];
  /** The active state of the same thing, as JSON; undefined: it is new. */
  readonly before: JsonObject | undefined;
  /** What the config lists under this name, as JSON; undefined: nothing. */
  readonly base: JsonObject | undefined;
}

/**
 * A kind that a plugin owns, declared on the plugin itself: manager, workers and `weldr check` know it without a start. The
 * config's options are the base; the core keeps, shows and merges operators' rows, and sends them to the workers. Keys are
 * names.
 */
export interface PluginKind<Options = unknown, Item = unknown> {
  /** Such as `route`. */
  readonly name: string;
  /** Such as `routes`: its path in the admin API. */
  readonly plural: string;
  /** How a config asks for the plugin, for messages: `routes([])`. */
  readonly plugin: string;
  /** The schema of a whole thing as JSON, without its name; refuses unknown fields. */
  readonly schema: z.ZodObject;
  /** The maximum that operators may define; default 10,000. */
  readonly most?: number;
  /** Returns what is wrong with a name, in a sentence; undefined: nothing. */
  keyProblem(key: string): string | undefined;
  /** Returns what the options list, in order. */
  items(options: Options): Iterable<KindItem<Item>>;
  plain(item: Item): PlainItem;
  /** Returns the item of an active thing: `value`, and the fields that are code from the config's item. */
  compose(key: string, value: JsonObject, configured: Item | undefined): Item;
  /** Checks what no schema of a field can. Throws a WeldrError with the field, or an Error whose text is for people. */
  check?(item: Item): void;
  /** The same for a change that an operator makes now. Throws INPUT_INVALID. */
  admit?(value: JsonObject, facts: KindFacts): void;
  /** The scope of the plugins that a thing names in its field `plugins`; undefined: it has no such field. */
  scope?(key: string): Scope;
  /** The pools that an item or its value leads to. */
  pools(item: Item | JsonObject): readonly string[];
  /** Other pools that the options lead to, by option: `{ otherwise: 'default' }`. */
  otherPools?(options: Options): Readonly<Record<string, string>>;
}

/** The active things of an instance, of the kind of its plugin. */
export interface Entities<Item = unknown> {
  /**
   * All things: those of the config in its order, then those of operators by name. An unchanged item of the config is the
   * same object as in the options.
   */
  readonly all: ReadonlyMap<string, Item>;
  /**
   * Calls `listener` with the things that have changed, and undefined for those that are gone: once for everything that was
   * changed together, before the next request. Lasts until the plugin ends, or the returned function is called.
   */
  observe(listener: (changes: ReadonlyMap<string, Item | undefined>) => void): () => void;
}

/** The most things of a kind that operators may define. */
export const mostDefined = 10_000;
