// PluginKind: a sort of thing which a plugin owns and operators may change at run time, and such things as plugins have them.
import type { z } from 'zod';
import type { Scope } from '../stages/scope.ts';
import type { JsonObject } from '../state/merge-patch.ts';

/** One thing that the options of a plugin list. */
export interface KindItem<Item = unknown> {
  /** Its name; unique in a config. */
  readonly key: string;
  readonly item: Item;
  /** The option that says the name, for messages: `routes[3].name`. */
  readonly field: string;
}

/** An item as JSON. */
export interface PlainItem {
  /** As the schema has it, without the fields that are code. */
  readonly value: JsonObject;
  /** The names of fields that hold code: they are shown by name, and cannot be changed at run time. */
  readonly code: readonly string[];
}

/** What of the config in force a thing may be at odds with. */
export interface KindFacts {
  /** The names of listeners. */
  readonly listeners: readonly string[];
  /** The same thing as it is in force now, as JSON; undefined: it is new. */
  readonly before: JsonObject | undefined;
  /** What the config lists under this name, as JSON; undefined: nothing. */
  readonly base: JsonObject | undefined;
}

/**
 * A kind that a plugin owns, on the plugin itself: manager, workers and `weldr check` know it without a start. The config's
 * options are what is below; what operators say over it is kept, shown, merged and sent to the workers by the core. Keys are
 * names.
 */
export interface PluginKind<Options = unknown, Item = unknown> {
  /** Such as `route`. */
  readonly name: string;
  /** Such as `routes`: its path in the admin API. */
  readonly plural: string;
  /** How a config asks for the plugin, for messages: `routes([])`. */
  readonly plugin: string;
  /** Of the whole of one as JSON, without its name; refuses unknown fields. */
  readonly schema: z.ZodObject;
  /** The most that operators may define; default 10,000. */
  readonly most?: number;
  /** What is wrong with a name, in a sentence; undefined: nothing. */
  keyProblem(key: string): string | undefined;
  /** What the options list, in order. */
  items(options: Options): Iterable<KindItem<Item>>;
  plain(item: Item): PlainItem;
  /** An item of what is in force: `value`, and the fields that are code from what the config lists. */
  compose(key: string, value: JsonObject, configured: Item | undefined): Item;
  /** What no schema of a field sees. Throws a WeldrError with the field, or an Error, whose text is for people. */
  check?(item: Item): void;
  /** The same for a change that an operator makes now. Throws INPUT_INVALID. */
  admit?(value: JsonObject, facts: KindFacts): void;
  /** Where the plugins stand that a thing names in its field `plugins`; undefined: it has no such field. */
  scope?(key: string): Scope;
  /** The pools that an item or its value leads to. */
  pools(item: Item | JsonObject): readonly string[];
  /** Pools that the options lead to besides, by what says so: `{ otherwise: 'default' }`. */
  otherPools?(options: Options): Readonly<Record<string, string>>;
}

/** Things of the kind of its plugin that one instance has in force. */
export interface Entities<Item = unknown> {
  /**
   * All of them: those that the config lists in this order, then those of operators by name. What the config lists and nobody
   * changed is the same object as in the options.
   */
  readonly all: ReadonlyMap<string, Item>;
  /**
   * Calls `listener` with what is another thing now, and undefined for what is gone: once for all that was changed together,
   * before the next request. Until the plugin ends, or until what it returns is called.
   */
  observe(listener: (changes: ReadonlyMap<string, Item | undefined>) => void): () => void;
}

/** The most things of a kind that operators may define. */
export const mostDefined = 10_000;
