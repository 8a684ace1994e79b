// RunTimeSettings: settings that are not of one server; a plugin declares each with what its config says.
import { z } from 'zod';
import type { Entity, Kind } from './entity.ts';
import { expectObject, parseKnown, parseObject } from './known-fields.ts';
import type { JsonObject } from './merge-patch.ts';
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
  changed(): void;
}

/** All settings of one manager. */
export class RunTimeSettings {
  private readonly state: State;
  private readonly declared = new Map<string, Declared>();

  constructor(state: State) {
    this.state = state;
    state.register({
      kind: this.kind(),
      base: key => {
        const known = this.declared.get(key);
        return known === undefined ? undefined : { value: known.base, layer: 'config' };
      },
      changed: key => this.declared.get(key)?.changed(),
    });
  }

  /** Makes a setting known; `close` ends it, unless another has taken its place. */
  declare<T>(
    name: string,
    { schema, base, changed }: SettingDeclaration<T>,
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
    const declared: Declared = { schema, base: whole, changed: () => changed?.(setting.value) };
    this.declared.set(name, declared);
    return {
      setting,
      close: () => {
        if (this.declared.get(name) === declared) this.declared.delete(name);
      },
    };
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
