// SettingsRoutes: the routes of the admin API that show and change the settings of health checks at run time.
import { z } from 'zod';
import { parse } from '../../core/options/options.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoutes,
  overrideOf,
} from '../../core/plugin/admin.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import { healthCheckSettings } from '../../core/pool/server-definition.ts';
import { type Entity, etagOf, overridesOf } from '../../core/state/entity.ts';
import type { Setting } from '../../core/state/settings.ts';
import type { CheckSettings } from './check-settings.ts';

/** The name of the setting that operators change at run time. */
export const settingName = 'health-check';

const path = '/health-check';
const answers = { 200: 'The settings' };

type Write =
  | { readonly op: 'put' | 'patch'; readonly value: unknown }
  | { readonly op: 'forget'; readonly fields: readonly string[] | undefined };

/** The settings in a request; `overrides`, which GET shows, is ignored. */
const given = healthCheckSettings
  .extend({ overrides: z.unknown().optional() })
  .transform(({ overrides: _, ...fields }) => fields);

/** The settings that all servers share. */
class SharedSettings {
  private readonly operator: OperatorPools;
  private readonly setting: Setting<CheckSettings>;

  constructor(operator: OperatorPools, setting: Setting<CheckSettings>) {
    this.operator = operator;
    this.setting = setting;
  }

  /** Returns all active settings; fields that an operator changed are also in `overrides`. */
  shown(): AdminAnswer {
    const { entity, value } = this.setting;
    const overrides = overridesOf({ secret: [] }, entity);
    const isChanged = Object.keys(overrides).length > 0;
    return {
      status: 200,
      body: { ...value, ...(isChanged && { overrides }) },
      headers: { ETag: etagOf(entity) },
    };
  }

  async change({ by, precondition }: AdminRequest, write: Write): Promise<AdminAnswer> {
    const expect = (entity: Entity | undefined) => precondition.check(entity && etagOf(entity));
    await this.operator.write([{ kind: 'setting', key: settingName, ...write, expect }], by);
    return this.shown();
  }
}

/** Adds the routes. */
export function addRoutes(
  admin: AdminRoutes,
  operator: OperatorPools,
  setting: Setting<CheckSettings>,
): void {
  const settings = new SharedSettings(operator, setting);
  admin.add({
    method: 'GET',
    path,
    rel: 'health-check',
    summary: 'The settings of health checks',
    answers,
    handle: () => settings.shown(),
  });
  admin.add({
    method: 'PUT',
    path,
    rel: 'set-health-check',
    summary: 'Replace the settings; omitted ones have the values of the config',
    body: healthCheckSettings,
    answers,
    conditional: true,
    // A response to GET can be edited and sent back.
    handle: request =>
      settings.change(request, { op: 'put', value: parse(given, request.body, 'INPUT_INVALID') }),
  });
  admin.add({
    method: 'PATCH',
    path,
    rel: 'update-health-check',
    summary: 'Change some settings: a merge patch (RFC 7396)',
    answers,
    conditional: true,
    handle: request => settings.change(request, { op: 'patch', value: request.body }),
  });
  admin.add({
    method: 'DELETE',
    path,
    rel: 'reset-health-check',
    summary: 'Restore the settings of the config',
    query: { override: 'Restore only these fields.' },
    answers,
    conditional: true,
    handle: request => settings.change(request, { op: 'forget', fields: overrideOf(request) }),
  });
}
