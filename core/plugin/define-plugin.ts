// definePlugin: makes the function with which a config asks for a plugin with options.
import type { z } from 'zod';
import type { Role } from '../stages/scope.ts';
import type { Row } from '../state/row.ts';
import type { ConfigFacts, ManagerSide, Plugin, WorkerSide } from './plugin.ts';
import type { PluginKind } from './plugin-kind.ts';

declare const toManager: unique symbol;
declare const toWorker: unique symbol;

/** The types of a plugin's messages; made by {@link channel}. */
export interface ChannelType<ToManager, ToWorker> {
  readonly [toManager]?: ToManager;
  readonly [toWorker]?: ToWorker;
}

/** What a plugin is made of. */
export interface PluginDefinition<S extends z.ZodType, ToManager, ToWorker, Memory, Item = unknown> {
  readonly name: string;
  /** See {@link Plugin.role}. */
  readonly role?: Role;
  /** See {@link Plugin.contract}. */
  readonly contract?: number;
  /** The schema of the options; use `z.strictObject`, so that a misspelt one is an error. Default: no options. */
  readonly schema?: S;
  /** The types of the messages between the two sides: `channel<ToManager, ToWorker>()`. */
  readonly channel?: ChannelType<ToManager, ToWorker>;
  /** Makes what the manager side keeps over reloads, in `side.memory`. */
  readonly memory?: () => Memory;
  /** See {@link Plugin.kind}. */
  readonly kind?: PluginKind<z.output<S>, Item>;
  /** See {@link Plugin.stored}. */
  stored?(options: z.output<S>): Promise<readonly Row[]>;
  /** See {@link Plugin.check}. */
  check?(options: z.output<S>, facts: ConfigFacts): void;
  /** See {@link Plugin.leadershipNeed}. */
  leadershipNeed?(options: z.output<S>): number;
  worker?(side: WorkerSide<ToManager, ToWorker, Item>, options: z.output<S>): void | Promise<void>;
  manager?(side: ManagerSide<ToManager, ToWorker, Memory, Item>, options: z.output<S>): void | Promise<void>;
}

/** Options may be left out if each of them has a default. */
export type FactoryArguments<S extends z.ZodType> =
  undefined extends z.input<S>
    ? []
    : Record<never, never> extends z.input<S>
      ? [options?: z.input<S>]
      : [options: z.input<S>];

/** Asks for a plugin in a config: `roundRobin({ slowStart: '30s' })`. */
export interface PluginFactory<S extends z.ZodType = z.ZodType> {
  (...options: FactoryArguments<S>): Plugin;
  readonly pluginName: string;
  /** The schema of the options; undefined: it takes none. */
  readonly schema: S | undefined;
}

/**
 * Makes a plugin's factory. Options are parsed once, when the config is checked, so that errors name their
 * place: `plugins[1].interval: expected a duration such as "30s", got "soon"`.
 *
 * @example
 * export const slowDown = definePlugin({
 *   name: 'slow-down',
 *   schema: z.strictObject({ by: duration().default(100) }),
 *   worker({ hooks, clock }, { by }) {
 *     hooks.request.tapPromise('slow-down', () => new Promise(resolve => clock.after(by, () => resolve(undefined))));
 *   },
 * });
 */
export function definePlugin<
  S extends z.ZodType = z.ZodUndefined,
  ToManager = never,
  ToWorker = never,
  Memory = undefined,
  Item = unknown,
>(definition: PluginDefinition<S, ToManager, ToWorker, Memory, Item>): PluginFactory<S> {
  const { name, role, contract, schema, memory } = definition;
  const kind = definition.kind as PluginKind | undefined;
  const factory = (...[options]: FactoryArguments<S>): Plugin => ({
    name,
    role,
    contract,
    schema,
    options,
    memory,
    kind,
    ...sidesOf(definition),
  });
  return Object.assign(factory, { pluginName: name, schema });
}

/** The core calls a side with the options that this schema parsed, and with this plugin's own channel and memory. */
function sidesOf<S extends z.ZodType, ToManager, ToWorker, Memory, Item>(
  definition: PluginDefinition<S, ToManager, ToWorker, Memory, Item>,
): Pick<Plugin, 'worker' | 'manager' | 'stored' | 'check' | 'leadershipNeed'> {
  const { worker, manager, stored, check, leadershipNeed } = definition;
  return {
    ...(worker === undefined ? {} : { worker: worker as NonNullable<Plugin['worker']> }),
    ...(manager === undefined ? {} : { manager: manager as NonNullable<Plugin['manager']> }),
    ...(check === undefined ? {} : { check: check as NonNullable<Plugin['check']> }),
    ...(leadershipNeed === undefined
      ? {}
      : { leadershipNeed: leadershipNeed as NonNullable<Plugin['leadershipNeed']> }),
    ...(stored === undefined ? {} : { stored: stored as NonNullable<Plugin['stored']> }),
  };
}

/** Declares the messages, in JSON, between a plugin's sides: `channel: channel<Counted, Flush>()`. */
export function channel<ToManager, ToWorker>(): ChannelType<ToManager, ToWorker> {
  return {};
}

/**
 * Gives a plugin an id, if a scope has several of one name.
 *
 * @example plugins: [rateLimit({ rate: 100 }), withId('bursts', rateLimit({ rate: 5, burst: 5 }))]
 */
export function withId(id: string, plugin: Plugin): Plugin {
  // An object of a class keeps its methods.
  const copy: Plugin = Object.create(Object.getPrototypeOf(plugin), Object.getOwnPropertyDescriptors(plugin));
  return Object.defineProperty(copy, 'id', { value: id, enumerable: true, configurable: true });
}
