// RunTimeSettings: settings that belong to no single server; a plugin declares each with its config's value.
import { z } from 'zod';
import { changesBetween, type EffectiveChange } from './effective-change.ts';
import type { Entity, Kind } from './entity.ts';
import { expectObject, parseKnown, parseObject } from './known-fields.ts';
import type { JsonObject } from './merge-patch.ts';
import type { Mark } from './row.ts';
import type { State } from './state.ts';

/** The name of the kind. */
export const settingKindName = 'setting';

/** How a plugin declares its setting. */
export interface SettingDeclaration<T> {
  /** The schema of the whole setting, an object. */
  readonly schema: z.ZodType<T>;
  /** The config's value. */
  readonly base: T;
  /** Called when the active value has changed. */
  changed?(value: T): void;
  /**
   * Whether the plugin uses it for its own notes, rather than operators for settings. If so, changes are not reported.
   * Default false.
   */
  readonly isInternal?: boolean;
}

/** A setting that operators may change at run time, field by field. */
export interface Setting<T> {
  /** The active value. */
  readonly value: T;
  /** The same, with the fields that an operator changed. */
  readonly entity: Entity;
}

/** For a setting that no plugin declares. */
const noSchema = z.record(z.string(), z.unknown());

interface Declared {
  readonly schema: z.ZodType;
  readonly base: JsonObject;
  readonly isInternal: boolean;
  /** The active value when a change was last reported. */
  last: JsonObject;
  changed(): void;
}

/** All settings of one manager. */
export class RunTimeSettings {
  private readonly state: State;
  private readonly told: ((change: EffectiveChange) => void) | undefined;
  private readonly declared = new Map<string, Declared>();

  /** `tell` receives each change of a declared setting. */
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

  /** Declares a setting; `close` ends this, unless another declaration has taken its place. */
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

  /** Reports which fields changed, without their values: only the plugin knows which of them are secret. */
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
