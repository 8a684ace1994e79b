// The routes of servers: /servers for the default pool, /pools/:pool/servers for all.

import { WeldrError } from '../../core/errors.ts';
import { parseDuration } from '../../core/options/duration.ts';
import { parse } from '../../core/options/options.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoutes,
  overrideOf,
} from '../../core/plugin/admin.ts';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import { serverDefinition } from '../../core/pool/server-definition.ts';
import { partsOfServerKey, serverKey, serverKindName } from '../../core/pool/server-kind.ts';
import { etagOf } from '../../core/state/entity.ts';
import { isObject } from '../../core/state/merge-patch.ts';
import type { Clock } from '../../core/time/clock.ts';
import { type EntityChange, type EntityWritten, writeEntity } from './entity-write.ts';
import { pageOf } from './page.ts';
import { patchOf } from './patch-schema.ts';
import { dryRun, override, wait } from './query-help.ts';
import { isSet } from './query-switch.ts';
import { findServer, type Link, nameOf, serverPath, serverResource, serversPath } from './server-resource.ts';
import { listAnswer, oneAtATime } from './sliced-list.ts';

/** The collaborators of these routes. */
export interface ServerRoutesOptions {
  readonly pools: ManagerPools;
  readonly operator: OperatorPools;
  readonly clock: Clock;
}

const scheme = '`http` or `https`, if two servers differ only in that.';
const listQuery = {
  state: 'Only those in this state; `removed`: those that an operator removed.',
  layer: 'Only those of this layer.',
  label: 'Only those with this label: `zone:a`.',
  limit: 'The most in a response, by id.',
  after: 'Those after this id.',
};

/** Adds the routes of servers. */
export function addServerRoutes(admin: AdminRoutes, options: ServerRoutesOptions): void {
  const routes = new ServerRoutes(options);
  for (const [base, prefix] of [
    ['/servers', ''],
    ['/pools/:pool/servers', 'pool-'],
  ] as const) {
    const one = `${base}/:ip/:port`;
    const changes = { conditional: true } as const;
    admin.add({
      method: 'GET',
      path: base,
      rel: `${prefix}servers`,
      summary: 'The servers of a pool',
      query: listQuery,
      answers: { 200: 'The servers' },
      handle: r => routes.list(r),
    });
    admin.add({
      method: 'POST',
      path: base,
      rel: `${prefix}add-server`,
      summary: 'Add a server, or change the one with this URL',
      query: { dryRun },
      body: serverDefinition,
      answers: { 200: 'It existed', 201: 'It is new' },
      ...changes,
      handle: r => routes.add(r),
    });
    admin.add({
      method: 'GET',
      path: one,
      rel: `${prefix}server`,
      summary: 'One server',
      query: { scheme },
      answers: { 200: 'The server' },
      handle: r => routes.show(r),
    });
    admin.add({
      method: 'PATCH',
      path: one,
      rel: `${prefix}update-server`,
      summary: 'Change a server: a merge patch (RFC 7396)',
      query: { scheme, dryRun, wait },
      body: patchOf(serverDefinition, ['url']),
      answers: { 200: 'The server' },
      ...changes,
      handle: r => routes.update(r),
    });
    admin.add({
      method: 'DELETE',
      path: one,
      rel: `${prefix}remove-server`,
      summary: 'Remove a server',
      query: { scheme, dryRun, override, wait, force: 'Do not wait for its requests.' },
      answers: { 200: 'It is as the config says', 202: 'It finishes its requests', 204: 'It is gone' },
      ...changes,
      handle: r => routes.remove(r),
    });
  }
}

class ServerRoutes {
  private readonly pools: ManagerPools;
  private readonly operator: OperatorPools;
  private readonly clock: Clock;
  /** One wait for each draining server, shared by all callers. */
  private readonly drains = new Map<string, Promise<void>>();

  constructor({ pools, operator, clock }: ServerRoutesOptions) {
    this.pools = pools;
    this.operator = operator;
    this.clock = clock;
  }

  list(request: AdminRequest): Promise<AdminAnswer> {
    return oneAtATime(() => this.listed(request));
  }

  private async listed(request: AdminRequest): Promise<AdminAnswer> {
    const name = this.poolOf(request);
    const href = serversPath(name);
    const links: Link[] = [
      { rel: 'self', href, method: 'GET' },
      { rel: 'add', href, method: 'POST' },
    ];
    const { query } = request;
    const stale = this.operator.stale ? { stale: true } : {};
    if (query.get('state') === 'removed') return ok({ servers: this.removedOf(name), links, ...stale });
    const { page, next } = pageOf([...this.pools.list(name)], query);
    if (next !== undefined) links.push({ rel: 'next', href: `${href}?${next}`, method: 'GET' });
    const resourceOf = ({ upstream }: PoolEntry) => {
      const entry = this.pools.get(name, upstream.id);
      return entry === undefined ? undefined : this.resource(entry);
    };
    return await listAnswer('servers', page, resourceOf, { links, ...stale });
  }

  /** Servers that an operator removed and the config or discovery still has. */
  private removedOf(pool: string) {
    return this.operator.rows().flatMap(({ kind, key, op, by, at }) => {
      if (kind !== serverKindName || op !== 'remove') return [];
      const { pool: of, id } = partsOfServerKey(key);
      return of === pool ? [{ id, url: id, pool, state: 'removed', by, at }] : [];
    });
  }

  /** Registers a server. If it exists, the given fields are set and the others stay as they are. */
  async add(request: AdminRequest): Promise<AdminAnswer> {
    const name = this.poolOf(request);
    const { url } = parse(serverDefinition, request.body, 'INPUT_INVALID');
    const given = isObject(request.body) ? { ...request.body, url } : { url };
    const { answer, created } = await this.write(request, name, url, { op: 'add', value: given });
    if (answer !== undefined) return answer;
    const entry = this.entryOf(name, url);
    const shown = this.shown(entry, created ? 201 : 200);
    return { ...shown, headers: { ...shown.headers, Location: serverPath(this.pools, entry.upstream) } };
  }

  show(request: AdminRequest): AdminAnswer {
    const { pool, id } = this.serverOf(request);
    return this.shown(this.entryOf(pool, id));
  }

  async update(request: AdminRequest): Promise<AdminAnswer> {
    const wait = this.waitOf(request);
    const { pool, id } = this.serverOf(request);
    const planned = await this.write(request, pool, id, { op: 'patch', value: request.body });
    if (planned.answer !== undefined) return planned.answer;
    const entry = this.entryOf(pool, id);
    if (wait !== undefined && entry.upstream.state === 'draining') await this.drained(pool, id, wait);
    return this.shown(entry);
  }

  /** Removes a server; with `?override` forgets what operators changed, all of it or some fields. */
  async remove(request: AdminRequest): Promise<AdminAnswer> {
    const wait = this.waitOf(request);
    const { pool, id } = this.serverOf(request);
    const forgets = isSet(request, 'override');
    const isLeaving = this.pools.get(pool, id)?.leaving === true;
    if (forgets || !isLeaving) {
      const write = forgets
        ? ({ op: 'forget', fields: overrideOf(request) } as const)
        : ({ op: 'remove' } as const);
      const { answer } = await this.write(request, pool, id, write);
      if (answer !== undefined) return answer;
    }
    if (isSet(request, 'force') && !forgets) this.operator.cut(pool, id);
    if (wait !== undefined) await this.drained(pool, id, wait);
    const entry = this.pools.get(pool, id);
    if (entry === undefined) return { status: 204, body: undefined };
    return this.shown(entry, forgets ? 200 : 202);
  }

  private write(
    request: AdminRequest,
    pool: string,
    id: string,
    change: EntityChange,
  ): Promise<EntityWritten> {
    const name = { kind: serverKindName, key: serverKey(pool, id) };
    return writeEntity(this.operator, request, name, change);
  }

  private shown(entry: PoolEntry, status = 200): AdminAnswer {
    const { pool, id } = entry.upstream;
    const entity = this.operator.entity(serverKindName, serverKey(pool, id));
    const headers: Record<string, string> = entity === undefined ? {} : { ETag: etagOf(entity) };
    return { status, body: this.resource(entry), headers };
  }

  private resource(entry: PoolEntry) {
    return serverResource(this.pools, this.operator, entry);
  }

  /** The pool that a path names. Throws NOT_FOUND. */
  private poolOf({ params }: AdminRequest): string {
    const name = params['pool'] ?? 'default';
    if (this.pools.counts(name) !== undefined) return name;
    throw new WeldrError('NOT_FOUND', `there is no pool ${name}; GET /pools lists them`);
  }

  /** The server that a path names, even one that an operator removed. Throws NOT_FOUND. */
  private serverOf(request: AdminRequest): { pool: string; id: string } {
    const { ip = '', port = '' } = request.params;
    const pool = this.poolOf(request);
    const place = { ip, port, scheme: request.query.get('scheme') };
    const isThere = (id: string): boolean => this.pools.get(pool, id) !== undefined;
    const removed = request.method === 'GET' ? undefined : findServer(place, id => this.isRemoved(pool, id));
    const id = findServer(place, isThere) ?? removed;
    if (id !== undefined) return { pool, id };
    throw new WeldrError(
      'NOT_FOUND',
      `there is no server ${nameOf(place)}; GET ${serversPath(pool)} lists them`,
    );
  }

  private isRemoved(pool: string, id: string): boolean {
    return this.operator.row(serverKindName, serverKey(pool, id))?.op === 'remove';
  }

  /** Throws NOT_FOUND; for a removed server it says how to add it again. */
  private entryOf(pool: string, id: string): PoolEntry {
    const entry = this.pools.get(pool, id);
    if (entry !== undefined) return entry;
    throw new WeldrError('NOT_FOUND', `${id} was removed; POST it to add it again`);
  }

  /** Returns how long `?wait` asks to wait, ms; undefined: not at all. Throws INPUT_INVALID. */
  private waitOf(request: AdminRequest): number | undefined {
    if (!isSet(request, 'wait')) return undefined;
    const text = request.query.get('wait') ?? '';
    if (text === '' || text === 'true' || text === '1') return Number.POSITIVE_INFINITY;
    const wait = parseDuration(text);
    if (wait !== undefined) return wait;
    throw new WeldrError('INPUT_INVALID', `wait: expected nothing or a duration such as "30s", got ${text}`, {
      field: 'wait',
    });
  }

  private async drained(pool: string, id: string, atMost: number): Promise<void> {
    const key = `${pool} ${id}`;
    const drain =
      this.drains.get(key) ?? this.operator.drained(pool, id).finally(() => this.drains.delete(key));
    this.drains.set(key, drain);
    if (atMost === Number.POSITIVE_INFINITY) return await drain;
    const late = Promise.withResolvers<void>();
    const cancel = this.clock.after(atMost, late.resolve);
    await Promise.race([drain, late.promise]);
    cancel();
  }
}

const ok = (body: unknown): AdminAnswer => ({ status: 200, body });
