// The routes of servers: /servers for the default pool, /pools/:pool/servers for all.

import type { Clock } from '../../core/clock.ts';
import { WeldrError } from '../../core/errors.ts';
import type { AdminAnswer, AdminRequest, AdminRoutes } from '../../core/plugin/admin.ts';
import type { ManagerPools } from '../../core/pool/manager-pools.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import type { PoolEntry } from '../../core/pool/pool-entry.ts';
import { type ServerDefinition, serverDefinition } from '../../core/pool/server-definition.ts';
import { parseDuration } from '../../core/settings/duration.ts';
import { parse } from '../../core/settings/options.ts';
import { isObject, mergePatch } from './merge-patch.ts';
import { findServer, type Link, serverPath, serverResource, serversPath } from './server-resource.ts';

/** What these routes work with. */
export interface ServerRoutesOptions {
  readonly pools: ManagerPools;
  readonly operator: OperatorPools;
  readonly clock: Clock;
}

/** Adds the routes of pools and servers. */
export function addServerRoutes(admin: AdminRoutes, options: ServerRoutesOptions): void {
  const routes = new ServerRoutes(options);
  admin.add({ method: 'GET', path: '/pools', rel: 'pools', handle: () => routes.listPools() });
  admin.add({ method: 'GET', path: '/pools/:pool', rel: 'pool', handle: r => routes.showPool(r) });
  for (const [base, prefix] of [
    ['/servers', ''],
    ['/pools/:pool/servers', 'pool-'],
  ] as const) {
    const one = `${base}/:ip/:port`;
    admin.add({ method: 'GET', path: base, rel: `${prefix}servers`, handle: r => routes.list(r) });
    admin.add({ method: 'POST', path: base, rel: `${prefix}add-server`, handle: r => routes.add(r) });
    admin.add({ method: 'GET', path: one, rel: `${prefix}server`, handle: r => routes.show(r) });
    admin.add({ method: 'PATCH', path: one, rel: `${prefix}update-server`, handle: r => routes.update(r) });
    admin.add({ method: 'DELETE', path: one, rel: `${prefix}remove-server`, handle: r => routes.remove(r) });
  }
}

class ServerRoutes {
  private readonly pools: ManagerPools;
  private readonly operator: OperatorPools;
  private readonly clock: Clock;
  /** One wait for each server that drains, however many ask. */
  private readonly drains = new Map<string, Promise<void>>();

  constructor({ pools, operator, clock }: ServerRoutesOptions) {
    this.pools = pools;
    this.operator = operator;
    this.clock = clock;
  }

  listPools(): AdminAnswer {
    const links: Link[] = [{ rel: 'self', href: '/pools', method: 'GET' }];
    return ok({ pools: this.pools.names.map(name => this.poolResource(name)), links });
  }

  showPool(request: AdminRequest): AdminAnswer {
    return ok(this.poolResource(this.poolOf(request)));
  }

  list(request: AdminRequest): AdminAnswer {
    const name = this.poolOf(request);
    const href = serversPath(name);
    const links: Link[] = [
      { rel: 'self', href, method: 'GET' },
      { rel: 'add', href, method: 'POST' },
    ];
    const servers = Array.from(this.pools.list(name), entry => this.resource(entry));
    return ok({ servers, links, ...(this.operator.stale ? { stale: true } : {}) });
  }

  /** Registers a server. Of one that is there, the given fields are set and the others stay as they are. */
  async add(request: AdminRequest): Promise<AdminAnswer> {
    const name = this.poolOf(request);
    const { body } = request;
    const wanted = parse(serverDefinition, body, 'INPUT_INVALID');
    const given = new Set(isObject(body) ? Object.keys(body) : []);
    const { entry, created } = await this.operator.register(name, wanted.url, known => {
      if (known === undefined) return wanted;
      const set = Object.entries(wanted).filter(([field]) => given.has(field));
      return { ...known, ...Object.fromEntries(set) };
    });
    return {
      status: created ? 201 : 200,
      body: this.resource(entry),
      headers: { Location: serverPath(this.pools, entry.upstream) },
    };
  }

  show(request: AdminRequest): AdminAnswer {
    return ok(this.resource(this.serverOf(request)));
  }

  async update(request: AdminRequest): Promise<AdminAnswer> {
    const wait = this.waitOf(request);
    const { upstream } = this.serverOf(request);
    const { pool, id } = upstream;
    const { entry } = await this.operator.register(pool, id, known => patched(known, id, request.body));
    if (wait !== undefined && entry.upstream.state === 'draining') await this.drained(pool, id, wait);
    return ok(this.resource(entry));
  }

  async remove(request: AdminRequest): Promise<AdminAnswer> {
    const wait = this.waitOf(request);
    const { upstream } = this.serverOf(request);
    const { pool, id } = upstream;
    await this.operator.remove(pool, id, { force: isSet(request, 'force') });
    if (wait !== undefined) await this.drained(pool, id, wait);
    const entry = this.pools.get(pool, id);
    return entry === undefined
      ? { status: 204, body: undefined }
      : { status: 202, body: this.resource(entry) };
  }

  private resource(entry: PoolEntry) {
    return serverResource(this.pools, entry);
  }

  private poolResource(name: string) {
    const { servers, available } = this.pools.counts(name) ?? { servers: 0, available: 0 };
    const links: Link[] = [
      { rel: 'self', href: `/pools/${name}`, method: 'GET' },
      { rel: 'servers', href: serversPath(name), method: 'GET' },
      { rel: 'add', href: serversPath(name), method: 'POST' },
    ];
    return { name, servers, available, links };
  }

  /** The pool that a path names. Throws NOT_FOUND. */
  private poolOf({ params }: AdminRequest): string {
    const name = params['pool'] ?? 'default';
    if (this.pools.counts(name) !== undefined) return name;
    throw new WeldrError('NOT_FOUND', `there is no pool ${name}; GET /pools lists them`);
  }

  private serverOf(request: AdminRequest): PoolEntry {
    const { ip = '', port = '' } = request.params;
    return findServer(this.pools, this.poolOf(request), {
      ip,
      port,
      scheme: request.query.get('scheme'),
    });
  }

  /** For how long `?wait` asks to wait, ms; undefined: not at all. Throws INPUT_INVALID. */
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

/** A server's definition after a merge patch. Throws INPUT_INVALID and NOT_FOUND. */
function patched(known: ServerDefinition | undefined, id: string, patch: unknown): ServerDefinition {
  if (known === undefined) {
    throw new WeldrError('NOT_FOUND', `${id} was removed meanwhile; POST it to add it again`);
  }
  if (!isObject(patch)) {
    throw new WeldrError(
      'INPUT_INVALID',
      'expected an object with the fields to change, such as {"weight": 2}',
    );
  }
  const server = parse(serverDefinition, mergePatch(known, patch), 'INPUT_INVALID');
  if (server.url !== id) {
    throw new WeldrError(
      'INPUT_INVALID',
      "url: a server's URL cannot be changed; add the new one, remove the old",
      {
        field: 'url',
      },
    );
  }
  return server;
}

/** Is a switch such as `?force` on? */
function isSet({ query }: AdminRequest, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== 'false' && value !== '0';
}

const ok = (body: unknown): AdminAnswer => ({ status: 200, body });
