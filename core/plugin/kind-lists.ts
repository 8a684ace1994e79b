// KindLists: the things that the plugins of one config list, of the kinds that they own, by name: the base below
// operators' rows.
import { WeldrError } from '../errors.ts';
import type { Base, Kind } from '../state/entity.ts';
import { expectObject, parseKnown, parseObject } from '../state/known-fields.ts';
import type { JsonObject } from '../state/merge-patch.ts';
import type { PluginInstance } from './plugin-instance.ts';
import type { PluginKind } from './plugin-kind.ts';

/** The place where a thing is listed. */
interface Listed {
  readonly item: unknown;
  readonly instance: string;
  /** Made on demand: most items are never needed as JSON. */
  base: Base | undefined;
  code: readonly string[];
}

/** One kind in the plugins of a config. */
export class KindList {
  readonly kind: PluginKind;
  /** The instances that have things of it, in the order of the config, with their options. */
  readonly instances: readonly PluginInstance[];
  /** The instance that gets operators' new things: the first one that sees all requests. */
  readonly home: string | undefined;
  private readonly listed = new Map<string, Listed>();

  /** Throws CONFIG_INVALID if two have the same name. */
  constructor(kind: PluginKind, instances: readonly PluginInstance[]) {
    this.kind = kind;
    this.instances = instances;
    this.home = instances.find(
      ({ scope, conditions }) => scope.kind === 'config' && conditions.length === 0,
    )?.name;
    for (const { name, at, options } of instances) {
      for (const { key, item, field } of kind.items(options)) {
        const before = this.listed.get(key);
        if (before !== undefined) throw twice(kind, key, `${at}.${field}`, before.instance);
        this.listed.set(key, { item, instance: name, base: undefined, code: [] });
      }
    }
  }

  /** The names that the config lists, in its order. */
  get keys(): Iterable<string> {
    return this.listed.keys();
  }

  /** Returns what the config lists under a name, with its code. */
  item(key: string): unknown {
    return this.listed.get(key)?.item;
  }

  /** Returns the instance that has, or would have, the thing with this name; undefined: none can. */
  instanceOf(key: string): string | undefined {
    return this.listed.get(key)?.instance ?? this.home;
  }

  /** Returns the same object each time. */
  base(key: string): Base | undefined {
    return this.madePlain(key)?.base;
  }

  /** The fields of a thing that the config writes in code. */
  codeOf(key: string): readonly string[] {
    return this.madePlain(key)?.code ?? [];
  }

  private madePlain(key: string): Listed | undefined {
    const listed = this.listed.get(key);
    if (listed === undefined || listed.base !== undefined) return listed;
    const { value, code } = this.kind.plain(listed.item);
    listed.base = { value, layer: 'config' };
    listed.code = code;
    return listed;
  }
}

/** Returns the kinds of the plugins of a config, by name. Throws CONFIG_INVALID if two things have the same name. */
export function kindListsOf(instances: readonly PluginInstance[]): ReadonlyMap<string, KindList> {
  const owners = new Map<PluginKind['name'], { kind: PluginKind; owners: PluginInstance[] }>();
  for (const instance of instances) {
    const { kind, name } = instance.plugin;
    if (kind === undefined) continue;
    const known = owners.get(kind.name);
    const [first] = known?.owners ?? [];
    if (known === undefined || first === undefined) owners.set(kind.name, { kind, owners: [instance] });
    else if (first.plugin.name === name) known.owners.push(instance);
    else {
      const why = `${first.plugin.name} already has ${kind.plural}; keep one of the two plugins`;
      throw new WeldrError('CONFIG_INVALID', `${instance.at}: ${why}`, { field: instance.at });
    }
  }
  return new Map([...owners].map(([name, { kind, owners: all }]) => [name, new KindList(kind, all)]));
}

/** Returns the kind for the state; `list` returns the list of the active config. */
export function stateKindOf({ kind: { name, plural, schema } }: KindList, list: () => KindList): Kind {
  const fields = new Set(Object.keys(schema.shape));
  const checked = (key: string, value: JsonObject): JsonObject => {
    const { kind } = list();
    const code = list().codeOf(key);
    const inCode = code.find(field => Object.hasOwn(value, field));
    if (inCode !== undefined) {
      const message = `${inCode}: it is code in the config: change it there`;
      throw new WeldrError('INPUT_INVALID', message, { field: inCode });
    }
    try {
      kind.check?.(kind.compose(key, value, list().item(key)));
    } catch (thrown) {
      throw asInput(thrown);
    }
    return value;
  };
  return {
    name,
    identity: [],
    secret: [],
    putIsWhole: true,
    isKey: key => list().kind.keyProblem(key) === undefined,
    knows: field => fields.has(field),
    describe: key => `${name} ${key}; GET /${plural} lists them`,
    lifetime: () => undefined,
    parse: (key, value) => checked(key, parseObject(list().kind.schema, value)),
    read: (key, value, ignored) => checked(key, expectObject(parseKnown(list().kind.schema, value, ignored))),
  };
}

/** Turns an error about the config into one about the operator's input. */
function asInput(thrown: unknown): WeldrError {
  if (thrown instanceof WeldrError) {
    const { message, field } = thrown;
    return new WeldrError('INPUT_INVALID', message, {
      cause: thrown,
      ...(field !== undefined && { field }),
    });
  }
  return new WeldrError('INPUT_INVALID', thrown instanceof Error ? thrown.message : String(thrown), {
    cause: thrown,
  });
}

function twice({ name }: PluginKind, key: string, field: string, other: string): WeldrError {
  const message = `${other} already has a ${name} ${JSON.stringify(key)}: give it another name`;
  return new WeldrError('CONFIG_INVALID', `${field}: ${message}`, { field });
}
