// RunTimeSettings: settings that are not of one server; a plugin declares each with what its config says.
import { z } from 'zod';
import { changesBetween, type EffectiveChange } from './effective-change.ts';
import type { Entity, Kind } from './entity.ts';
import { expectObject, parseKnown, parseObject } from './known-fields.ts';
import type { JsonObject } from './merge-patch.ts';
import type { Mark } from './row.ts';
import type { State } from './state.ts';

/** The name of the kind. */
export const settingKindName = 'setting';

/** What a plugin says of its setting. */
export interface SettingDeclaration<T> {
  /** Of the whole of it, an object. */
  readonly schema: z.ZodType<T>;
  /** What the config says. */
  readonly base: T;
  /** It is another one now. */
  changed?(value: T): void;
  /** Is it the plugin's own notes rather than what operators set? Then its changes are not told of. Default: no. */
  readonly isInternal?: boolean;
}

/** A setting that operators may change at run time, field by field. */
export interface Setting<T> {
  /** What is in force. */
  readonly value: T;
  /** The same, with the fields that an operator changed. */
  readonly entity: Entity;
}

/** Of a setting that no plugin declares. */
const noSchema = z.record(z.string(), z.unknown());

interface Declared {
  readonly schema: z.ZodType;
  readonly base: JsonObject;
  readonly isInternal: boolean;
  /** What was in force when it was last told. */
  last: JsonObject;
  changed(): void;
}

/** All settings of one manager. */
export class RunTimeSettings {
  private readonly state: State;
  private readonly told: ((change: EffectiveChange) => void) | undefined;
  private readonly declared = new Map<string, Declared>();

  /** `tell` is told of each change of one that is known. */
  constructor(state: State, tell?: (change: EffectiveChange) => void) {
    this.state = state;
    this.told = tell;
    state.register({
      kind: this.kind(),
      base: key => {
        const known = this.declared.get(key);
        return known === undefined ? undefined : { value: known.base, layer: 'config' };
      },
      changed: (key, cause) => {
        const known = this.declared.get(key);
        if (known === undefined) return;
        const [before, after] = [known.last, state.entity(settingKindName, key)?.value ?? known.base];
        known.last = after;
        if (!known.isInternal) this.tell(`setting ${key}`, before, after, cause);
        known.changed();
      },
    });
  }

  /** Makes a setting known; `close` ends it, unless another has taken its place. */
  declare<T>(
    name: string,
    { schema, base, changed, isInternal = false }: SettingDeclaration<T>,
  ): { readonly setting: Setting<T>; close(): void } {
    const whole = parseObject(schema, base);
    const { state } = this;
    const entity = (): Entity =>
      state.entity(settingKindName, name) ?? {
        value: whole,
        layer: 'config',
        row: undefined,
        base: undefined,
      };
    const setting: Setting<T> = {
      get value() {
        return schema.parse(entity().value);
      },
      get entity() {
        return entity();
      },
    };
    const declared: Declared = {
      schema,
      base: whole,
      isInternal,
      last: whole,
      changed: () => changed?.(setting.value),
    };
    this.declared.set(name, declared);
    declared.last = entity().value;
    return {
      setting,
      close: () => {
        if (this.declared.get(name) === declared) this.declared.delete(name);
      },
    };
  }

  /** Which fields, and not their values: only its plugin knows which of them are secret. */
  private tell(what: string, before: JsonObject, after: JsonObject, cause: Mark): void {
    const fields = [...Object.keys(before), ...Object.keys(after)];
    for (const change of changesBetween(what, { before, after }, fields, cause)) this.told?.(change);
  }

  private kind(): Kind {
    return {
      name: settingKindName,
      identity: [],
      secret: [],
      isKey: key => key !== '',
      knows: () => false,
      describe: key => `setting ${key}`,
      lifetime: () => undefined,
      parse: (key, value) => {
        return parseObject(this.declared.get(key)?.schema ?? noSchema, value);
      },
      read: (key, value, ignored) => {
        return expectObject(parseKnown(this.declared.get(key)?.schema ?? noSchema, value, ignored));
      },
    };
  }
}
