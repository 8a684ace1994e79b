// The routes of the kinds that plugins own: /KINDS, /KINDS/:name, such as /routes/api.
import { WeldrError } from '../../core/errors.ts';
import {
  type AdminAnswer,
  type AdminRequest,
  type AdminRoutes,
  overrideOf,
} from '../../core/plugin/admin.ts';
import type { KindView } from '../../core/plugin/kind-view.ts';
import type { OperatorPools } from '../../core/pool/operator-pools.ts';
import { type Entity, etagOf, overridesOf, shadowedBy } from '../../core/state/entity.ts';
import { isObject } from '../../core/state/merge-patch.ts';
import { type EntityChange, type EntityWritten, writeEntity } from './entity-write.ts';
import { pageOfNames } from './page.ts';
import { patchOf } from './patch-schema.ts';
import { dryRun, override } from './query-help.ts';
import { isSet } from './query-switch.ts';
import type { Link } from './server-resource.ts';
import { listAnswer, oneAtATime } from './sliced-list.ts';

/** The collaborators of these routes. */
export interface KindRoutesOptions {
  readonly kinds: readonly KindView[];
  readonly operator: OperatorPools;
}

/** The most bytes of one item. */
const maxBytes = 1024 * 1024;

/** Adds the routes of all kinds. */
export function addKindRoutes(admin: AdminRoutes, { kinds, operator }: KindRoutesOptions): void {
  for (const view of kinds) {
    const routes = new KindRoutes(view, operator);
    addListRoute(admin, routes, view);
    addItemRoutes(admin, routes, view);
  }
}

function addListRoute(admin: AdminRoutes, routes: KindRoutes, { kind: { plural } }: KindView): void {
  admin.add({
    method: 'GET',
    path: `/${plural}`,
    rel: plural,
    summary: `All ${plural}, those of the config first`,
    query: {
      state: '`removed`: those that an operator removed.',
      limit: 'The most in a response; the link `next` has the others.',
      after: 'Those after this one.',
    },
    answers: { 200: `The ${plural}` },
    handle: r => routes.list(r),
  });
}

function addItemRoutes(admin: AdminRoutes, routes: KindRoutes, { kind }: KindView): void {
  const { name, plural, schema } = kind;
  const path = `/${plural}/:name`;
  const conditional = true;
  const maxBody = maxBytes;
  admin.add({
    method: 'GET',
    path,
    rel: name,
    summary: `One ${name}`,
    answers: { 200: `The ${name}` },
    handle: r => routes.show(r),
  });
  admin.add({
    method: 'PUT',
    path,
    rel: `put-${name}`,
    summary: `Define a ${name} with exactly these fields`,
    query: { dryRun },
    body: schema,
    answers: { 200: 'It existed', 201: 'It is new' },
    maxBody,
    conditional,
    handle: r => routes.put(r),
  });
  admin.add({
    method: 'PATCH',
    path,
    rel: `update-${name}`,
    summary: `Change a ${name}: a merge patch (RFC 7396)`,
    query: { dryRun },
    body: patchOf(schema),
    answers: { 200: `The ${name}` },
    maxBody,
    conditional,
    handle: r => routes.update(r),
  });
  admin.add({
    method: 'DELETE',
    path,
    rel: `remove-${name}`,
    summary: `Remove a ${name}`,
    query: { dryRun, override },
    answers: { 200: 'It is as the config says', 204: 'It is gone' },
    conditional,
    handle: r => routes.remove(r),
  });
}

class KindRoutes {
  private readonly view: KindView;
  private readonly operator: OperatorPools;

  constructor(view: KindView, operator: OperatorPools) {
    this.view = view;
    this.operator = operator;
  }

  list(request: AdminRequest): Promise<AdminAnswer> {
    return oneAtATime(() => this.listed(request));
  }

  private async listed({ query }: AdminRequest): Promise<AdminAnswer> {
    const { plural } = this.view.kind;
    const href = `/${plural}`;
    const links: Link[] = [
      { rel: 'self', href, method: 'GET' },
      { rel: 'put', href: `${href}/{name}`, method: 'PUT' },
    ];
    const stale = this.operator.stale ? { stale: true } : {};
    if (query.get('state') === 'removed') {
      return { status: 200, body: { [plural]: this.removed(), links, ...stale } };
    }
    const { page, next } = pageOfNames(this.view.keys, query);
    if (next !== undefined) links.push({ rel: 'next', href: `${href}?${next}`, method: 'GET' });
    const resourceOf = (key: string) => {
      const entity = this.entity(key);
      return entity === undefined ? undefined : this.resource(key, entity, 'listed');
    };
    return await listAnswer(plural, page, resourceOf, { links, ...stale });
  }

  show(request: AdminRequest): AdminAnswer {
    return this.shown(nameOf(request));
  }

  async put(request: AdminRequest): Promise<AdminAnswer> {
    const name = this.newNameOf(request);
    const { answer, created } = await this.write(request, name, { op: 'put', value: fieldsOf(request) });
    if (answer !== undefined) return answer;
    const shown = this.shown(name, created ? 201 : 200);
    return created ? { ...shown, headers: { ...shown.headers, Location: this.pathOf(name) } } : shown;
  }

  async update(request: AdminRequest): Promise<AdminAnswer> {
    const name = nameOf(request);
    const { answer } = await this.write(request, name, { op: 'patch', value: fieldsOf(request) });
    return answer ?? this.shown(name);
  }

  /** Removes an item; with `?override` forgets what operators changed, all of it or some fields. */
  async remove(request: AdminRequest): Promise<AdminAnswer> {
    const name = nameOf(request);
    const forgets = isSet(request, 'override');
    if (forgets && this.row(name) === undefined && this.entity(name) === undefined) throw this.unknown(name);
    const write = forgets
      ? ({ op: 'forget', fields: overrideOf(request) } as const)
      : ({ op: 'remove' } as const);
    const { answer } = await this.write(request, name, write);
    if (answer !== undefined) return answer;
    return forgets ? this.shown(name) : { status: 204, body: undefined };
  }

  private write(request: AdminRequest, key: string, change: EntityChange): Promise<EntityWritten> {
    return writeEntity(this.operator, request, { kind: this.view.kind.name, key }, change);
  }

  private row(name: string) {
    return this.operator.row(this.view.kind.name, name);
  }

  private entity(name: string): Entity | undefined {
    return this.operator.entity(this.view.kind.name, name);
  }

  private shown(name: string, status = 200): AdminAnswer {
    const entity = this.entity(name);
    if (entity === undefined) throw this.unknown(name);
    return { status, body: this.resource(name, entity, 'alone'), headers: { ETag: etagOf(entity) } };
  }

  /** The effective item, and who defined it. */
  private resource(name: string, entity: Entity, how: 'alone' | 'listed') {
    const { view } = this;
    const { value, layer, row } = entity;
    const href = this.pathOf(name);
    const links: Link[] = [
      { rel: 'self', href, method: 'GET' },
      { rel: 'put', href, method: 'PUT' },
      { rel: 'update', href, method: 'PATCH' },
      { rel: 'remove', href, method: 'DELETE' },
    ];
    const overrides = overridesOf({ secret: [] }, entity);
    const shadows = shadowedBy(entity);
    const code = view.codeOf(name);
    const dangling = view.danglingOf(entity);
    const problems = view.problemsOf(name);
    return {
      name,
      ...value,
      layer,
      ...(code.length > 0 && { code }),
      ...(Object.keys(overrides).length > 0 && { overrides }),
      ...(shadows !== undefined && { shadows }),
      ...(dangling.length > 0 && { dangling }),
      ...(problems.length > 0 && { problems }),
      ...view.moreOf(name, how),
      ...(row !== undefined && { by: row.by, at: row.at }),
      links,
    };
  }

  /** Items that an operator removed and the config still has. */
  private removed() {
    const { kind } = this.view;
    return this.operator.rows().flatMap(({ kind: of, key, op, by, at }) => {
      return of === kind.name && op === 'remove' ? [{ name: key, state: 'removed', by, at }] : [];
    });
  }

  private pathOf(name: string): string {
    return `/${this.view.kind.plural}/${encodeURIComponent(name)}`;
  }

  /** Throws INPUT_INVALID. */
  private newNameOf(request: AdminRequest): string {
    const name = nameOf(request);
    const problem = this.view.kind.keyProblem(name);
    if (problem === undefined) return name;
    throw new WeldrError('INPUT_INVALID', `name: ${problem}, got ${JSON.stringify(name)}`, { field: 'name' });
  }

  private unknown(name: string): WeldrError {
    const { name: kind, plural } = this.view.kind;
    const isRemoved = this.row(name)?.op === 'remove';
    const why = isRemoved
      ? `${kind} ${name} was removed; DELETE /${plural}/${name}?override brings the config's back`
      : `there is no ${kind} ${name}; GET /${plural} lists them`;
    return new WeldrError('NOT_FOUND', why);
  }
}

/** The body without the name, which it may contain. */
function fieldsOf(request: AdminRequest): unknown {
  const { body } = request;
  if (!isObject(body) || body['name'] !== nameOf(request)) return body;
  const { name: _, ...fields } = body;
  return fields;
}

const nameOf = ({ params: { name = '' } }: AdminRequest): string => name;
