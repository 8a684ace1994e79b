// The routes of pools: /pools, /pools/:pool.
import { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import { parse } from '../../core/options/options.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoutes,
  overrideOf,
} from '../../core/plugin/admin.ts';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import { namePattern } from '../../core/pool/pool-name.ts';
import { poolKind, poolKindName, poolSettings } from '../../core/pool/pool-settings.ts';
import { etagOf, overridesOf, shadowedBy } from '../../core/state/entity.ts';
import { type EntityChange, type EntityWritten, writeEntity } from './entity-write.ts';
import { patchOf } from './patch-schema.ts';
import { dryRun, override } from './query-help.ts';
import { isSet } from './query-switch.ts';
import { type Link, serversPath } from './server-resource.ts';
import { listAnswer, oneAtATime } from './sliced-list.ts';

/** The collaborators of these routes. */
export interface PoolRoutesOptions {
  readonly pools: ManagerPools;
  readonly operator: OperatorPools;
}

const newPool = z
  .strictObject({
    name: z.string().regex(namePattern, 'expected letters, digits, "_", "." and "-", at most 63'),
    ...poolSettings.shape,
  })
  .describe('A pool; its servers are added one by one.');

/** Adds the routes of pools. */
export function addPoolRoutes(admin: AdminRoutes, options: PoolRoutesOptions): void {
  const routes = new PoolRoutes(options);
  addRoutesOfPools(admin, routes);
  addRoutesOfPool(admin, routes);
}

/** Adds the routes of `/pools`. */
function addRoutesOfPools(admin: AdminRoutes, routes: PoolRoutes): void {
  admin.add({
    method: 'GET',
    path: '/pools',
    rel: 'pools',
    summary: 'All pools',
    answers: { 200: 'The pools' },
    handle: () => routes.list(),
  });
  admin.add({
    method: 'POST',
    path: '/pools',
    rel: 'add-pool',
    summary: 'Add a pool, or change the one of this name',
    query: { dryRun },
    body: newPool,
    answers: { 200: 'It existed', 201: 'It is new' },
    conditional: true,
    handle: r => routes.add(r),
  });
}

/** Adds the routes of `/pools/:pool`. */
function addRoutesOfPool(admin: AdminRoutes, routes: PoolRoutes): void {
  const path = '/pools/:pool';
  const conditional = true;
  admin.add({
    method: 'GET',
    path,
    rel: 'pool',
    summary: 'One pool',
    answers: { 200: 'The pool' },
    handle: r => routes.show(r),
  });
  admin.add({
    method: 'PUT',
    path,
    rel: 'put-pool',
    summary:
      'Define a pool with exactly these settings; for a pool of the config, omitted settings keep its values',
    query: { dryRun },
    body: poolSettings,
    answers: { 200: 'It existed', 201: 'It is new' },
    conditional,
    handle: r => routes.put(r),
  });
  admin.add({
    method: 'PATCH',
    path,
    rel: 'update-pool',
    summary: 'Change a pool: a merge patch (RFC 7396)',
    query: { dryRun },
    body: patchOf(poolSettings),
    answers: { 200: 'The pool' },
    conditional,
    handle: r => routes.update(r),
  });
  admin.add({
    method: 'DELETE',
    path,
    rel: 'remove-pool',
    summary: 'Remove a pool',
    query: {
      dryRun,
      override,
      force: 'Even if routes or fallbacks lead to it; their requests are then answered 503.',
    },
    answers: { 200: 'It is as the config says', 204: 'It is removed' },
    conditional,
    handle: r => routes.remove(r),
  });
}

class PoolRoutes {
  private readonly pools: ManagerPools;
  private readonly operator: OperatorPools;

  constructor({ pools, operator }: PoolRoutesOptions) {
    this.pools = pools;
    this.operator = operator;
  }

  list(): Promise<AdminAnswer> {
    return oneAtATime(() => this.listed());
  }

  private async listed(): Promise<AdminAnswer> {
    const links: Link[] = [
      { rel: 'self', href: '/pools', method: 'GET' },
      { rel: 'add', href: '/pools', method: 'POST' },
    ];
    const resourceOf = (name: string) =>
      this.pools.counts(name) === undefined ? undefined : this.resource(name);
    return await listAnswer('pools', this.pools.names, resourceOf, { links });
  }

  show(request: AdminRequest): AdminAnswer {
    return this.shown(this.nameOf(request));
  }

  async add(request: AdminRequest): Promise<AdminAnswer> {
    const { name } = parse(newPool, request.body, 'INPUT_INVALID');
    const { name: _, ...given } = Object(request.body);
    const { answer, created } = await this.write(request, name, { op: 'add', value: given });
    if (answer !== undefined) return answer;
    const shown = this.shown(name, created ? 201 : 200);
    return { ...shown, headers: { ...shown.headers, Location: `/pools/${name}` } };
  }

  async put(request: AdminRequest): Promise<AdminAnswer> {
    const { pool: name = '' } = request.params;
    const { answer, created } = await this.write(request, name, { op: 'put', value: request.body });
    return answer ?? this.shown(name, created ? 201 : 200);
  }

  async update(request: AdminRequest): Promise<AdminAnswer> {
    const name = this.nameOf(request);
    // A pool that exists only because of its servers is defined by this.
    const op = this.operator.entity(poolKindName, name) === undefined ? 'add' : 'patch';
    const { answer } = await this.write(request, name, { op, value: request.body });
    return answer ?? this.shown(name);
  }

  /** Removes a pool; with `?override` forgets what operators changed, all of it or some fields. */
  async remove(request: AdminRequest): Promise<AdminAnswer> {
    const { pool: name = '' } = request.params;
    const forgets = isSet(request, 'override');
    const isRemoved = this.operator.row(poolKindName, name)?.op === 'remove';
    if (!forgets || !isRemoved) this.nameOf(request);
    const write = forgets
      ? ({ op: 'forget', fields: overrideOf(request) } as const)
      : ({ op: 'remove', force: isSet(request, 'force') } as const);
    const { answer } = await this.write(request, name, write);
    if (answer !== undefined) return answer;
    return forgets ? this.shown(name) : { status: 204, body: undefined };
  }

  private write(request: AdminRequest, name: string, change: EntityChange): Promise<EntityWritten> {
    return writeEntity(this.operator, request, { kind: poolKindName, key: name }, change);
  }

  private shown(name: string, status = 200): AdminAnswer {
    const entity = this.operator.entity(poolKindName, name);
    const headers: Record<string, string> = entity === undefined ? {} : { ETag: etagOf(entity) };
    return { status, body: this.resource(name), headers };
  }

  private resource(name: string) {
    const { servers, available } = this.pools.counts(name) ?? { servers: 0, available: 0 };
    const { inPlace, problems } = this.pools.plugins(name);
    const href = `/pools/${name}`;
    const links: Link[] = [
      { rel: 'self', href, method: 'GET' },
      { rel: 'servers', href: serversPath(name), method: 'GET' },
      { rel: 'add', href: serversPath(name), method: 'POST' },
      { rel: 'update', href, method: 'PATCH' },
      { rel: 'remove', href, method: 'DELETE' },
    ];
    const sources = this.pools.sources(name);
    return {
      name,
      servers,
      available,
      ...this.settingsOf(name),
      ...(inPlace.length > 0 && { pluginsInPlace: inPlace }),
      ...(problems.length > 0 && { problems }),
      ...(sources.length > 0 && { sources }),
      links,
    };
  }

  /** The settings of a pool and their layers, without TLS settings. */
  private settingsOf(name: string) {
    const entity = this.operator.entity(poolKindName, name);
    if (entity === undefined) return {};
    const { tls: _, ...value } = entity.value;
    const overrides = overridesOf(poolKind, entity);
    const shadows = shadowedBy(entity);
    return {
      layer: entity.layer,
      ...value,
      ...(Object.keys(overrides).length > 0 && { overrides }),
      ...(shadows !== undefined && { shadows }),
    };
  }

  /** The pool that a path names. Throws NOT_FOUND. */
  private nameOf({ params: { pool: name = '' } }: AdminRequest): string {
    if (this.pools.counts(name) !== undefined) return name;
    throw new WeldrError('NOT_FOUND', `there is no pool ${name}; GET /pools lists them`);
  }
}
