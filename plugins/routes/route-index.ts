// RouteIndex: from a request to its route: by host, then by the segments of the path, then the few that are left are asked.
import { WeldrError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { HostPattern } from '../../core/request/host-pattern.ts';
import type { RequestPath } from '../../core/request/path.ts';
import { RequestFacts } from '../../core/request/request-facts.ts';
import { type HostKey, hostEnd } from './host-key.ts';
import { PathTable } from './path-table.ts';
import { entriesOf, type IndexedRoute, type RouteEntry } from './route-entry.ts';
import { SegmentTree } from './segment-tree.ts';
import { emptyHash, hashWith, TextTable } from './text-table.ts';

const dot = 0x2e;
const bracket = 0x5b;

/**
 * All routes. Which one a request takes depends on nothing but what the client sent. Choosing allocates nothing while paths are
 * plain and conditions allocate nothing.
 */
export class RouteIndex<R extends IndexedRoute> {
  /** Every host and path of every route, the one that is asked first at the beginning. */
  readonly entries: readonly RouteEntry<R>[];
  private readonly tree = new SegmentTree<R>();
  private readonly names = new TextTable<PathTable<R>>('backwards');
  private readonly suffixes = new TextTable<PathTable<R>>('backwards');
  private readonly addresses: { readonly pattern: HostPattern; readonly table: PathTable<R> }[] = [];
  private readonly expressions: { readonly expression: RegExp; readonly table: PathTable<R> }[] = [];
  private readonly any = new PathTable<R>(this.tree);

  constructor(routes: readonly R[]) {
    this.entries = entriesOf(routes);
    for (const entry of this.entries.toReversed()) this.tableFor(entry.host).add(entry);
    for (const { host } of this.entries) {
      // The tables of wider hosts are there by now.
      const name = host.kind === 'name' ? host.name : host.kind === 'below' ? host.suffix : undefined;
      if (name !== undefined) this.tableFor(host).parent = this.below(name, name.length);
    }
  }

  /**
   * Which host and path of a route takes a request; undefined: none does. Throws BAD_REQUEST where that depends on how
   * a server reads the path.
   */
  choose(ctx: ProxyContext): RouteEntry<R> | undefined {
    const facts = RequestFacts.of(ctx);
    const { path, host } = facts;
    const end = path.plainEnd;
    return end >= 0 ? this.find(host, path.text, end, ctx) : this.chooseOfReadings(host, path, ctx);
  }

  /** The entries which match all that this one does, before it or behind, without their further conditions. */
  covering({ host, path }: RouteEntry<R>): readonly RouteEntry<R>[] {
    return [...this.tablesCovering(host)].flatMap(table => table.covering(path));
  }

  private chooseOfReadings(host: string, path: RequestPath, ctx: ProxyContext): RouteEntry<R> | undefined {
    const { problem, normal } = path;
    if (!this.looksAtPath(host)) return this.find(host, normal, normal.length, ctx);
    if (problem !== undefined) throw ambiguous(path, problem);
    const chosen = this.find(host, normal, normal.length, ctx);
    for (const reading of path.readings) {
      const other = this.find(host, reading, reading.length, ctx);
      if (other?.route === chosen?.route) continue;
      const routes = `the route ${nameOf(chosen)} for ${quote(normal)}, ${nameOf(other)} for ${quote(reading)}`;
      throw ambiguous(path, `servers read it in several ways, and it would take ${routes}`);
    }
    return chosen;
  }

  private find(host: string, text: string, end: number, ctx: ProxyContext): RouteEntry<R> | undefined {
    let found: RouteEntry<R> | undefined;
    for (let table = this.tableOf(host); table !== undefined; table = table.parent) {
      found = table.find(text, end, ctx, found);
    }
    if (this.expressions.length > 0) {
      const name = host.slice(0, hostEnd(host)).toLowerCase();
      for (const { expression, table } of this.expressions) {
        if (table.mayHaveBetter(found) && expression.test(name)) found = table.find(text, end, ctx, found);
      }
    }
    return this.any.find(text, end, ctx, found);
  }

  private looksAtPath(host: string): boolean {
    if (this.any.looksAtPath || this.expressions.some(({ table }) => table.looksAtPath)) return true;
    for (let table = this.tableOf(host); table !== undefined; table = table.parent) {
      if (table.looksAtPath) return true;
    }
    return false;
  }

  /** The table of the narrowest host that is written as a name and matches. */
  private tableOf(host: string): PathTable<R> | undefined {
    if (host.charCodeAt(0) === bracket) {
      return this.addresses.find(({ pattern }) => pattern.matches(host))?.table;
    }
    const end = hostEnd(host);
    return this.named(host, end) ?? this.below(host, end);
  }

  private named(host: string, end: number): PathTable<R> | undefined {
    const { names } = this;
    if (names.isSmall) return names.findAmongFew(host, 0, end);
    let hash = emptyHash;
    for (let i = end - 1; i >= 0; i--) hash = hashWith(hash, host.charCodeAt(i));
    return names.find(host, 0, end, hash);
  }

  /** The table of the longest suffix of a host, which is shorter than the host. */
  private below(host: string, end: number): PathTable<R> | undefined {
    if (this.suffixes.size === 0) return undefined;
    let found: PathTable<R> | undefined;
    let hash = emptyHash;
    for (let i = end - 1; i > 0; i--) {
      const code = host.charCodeAt(i);
      hash = hashWith(hash, code);
      if (code === dot) found = this.suffixes.find(host, i, end, hash) ?? found;
    }
    return found;
  }

  private tableFor(host: HostKey): PathTable<R> {
    if (host.kind === 'any') return this.any;
    if (host.kind === 'name') return this.tableIn(this.names, host.name);
    if (host.kind === 'below') return this.tableIn(this.suffixes, host.suffix);
    if (host.kind === 'address') {
      let known = this.addresses.find(({ pattern }) => pattern.matches(host.address));
      if (known === undefined) {
        known = { pattern: host.pattern, table: new PathTable(this.tree) };
        this.addresses.push(known);
      }
      return known.table;
    }
    const { expression } = host;
    let known = this.expressions.find(other => String(other.expression) === String(expression));
    if (known === undefined) {
      known = { expression, table: new PathTable(this.tree) };
      this.expressions.push(known);
    }
    return known.table;
  }

  private tableIn(tables: TextTable<PathTable<R>>, name: string): PathTable<R> {
    let table = tables.get(name);
    if (table === undefined) {
      table = new PathTable(this.tree);
      tables.add(name, table);
    }
    return table;
  }

  private *tablesCovering(host: HostKey): Generator<PathTable<R>> {
    const own = host.kind === 'any' ? undefined : this.tableFor(host);
    for (let table = own; table !== undefined; table = table.parent) yield table;
    yield this.any;
  }
}

const nameOf = (entry: RouteEntry | undefined): string => entry?.route.name ?? 'of none';

function ambiguous(path: RequestPath, why: string): WeldrError {
  return new WeldrError('BAD_REQUEST', `the path ${quote(path.text)} is ambiguous for routes: ${why}`);
}

/** A path for a message: as much of it as says something. */
function quote(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
}
