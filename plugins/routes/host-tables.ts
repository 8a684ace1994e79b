// HostTables: the entries of routes by host: a name, a suffix, an address, an expression, or any host.
import type { ProxyContext } from '../../core/request/context.ts';
import type { HostPattern } from '../../core/request/host-pattern.ts';
import { emptyHash, hashWith } from './hash-table.ts';
import { type HostKey, hostEnd } from './host-key.ts';
import { PathTable, type Seen } from './path-table.ts';
import { noPriority, Priorities } from './priorities.ts';
import { type IndexedRoute, precedes, type RouteEntry } from './route-entry.ts';
import { SegmentTree } from './segment-tree.ts';
import { TextTable } from './text-table.ts';

const dot = 0x2e;
const bracket = 0x5b;

interface AddressHost<R extends IndexedRoute> {
  readonly pattern: HostPattern;
  readonly table: PathTable<R>;
}

interface ExpressionHost<R extends IndexedRoute> {
  readonly expression: RegExp;
  readonly table: PathTable<R>;
}

/** The entries of all hosts. */
export class HostTables<R extends IndexedRoute> {
  /** The highest priority of all entries. */
  private highest = noPriority;
  private readonly tree = new SegmentTree<R>();
  private readonly names = new TextTable<PathTable<R>>('backwards');
  private readonly suffixes = new TextTable<PathTable<R>>('backwards');
  /** The number of additions and removals of suffixes: after each, a table may have another parent. */
  private suffixChanges = 0;
  private readonly expressions: ExpressionHost<R>[] = [];
  private readonly byExpression = new Map<string, ExpressionHost<R>>();
  private readonly addresses: AddressHost<R>[] = [];
  private readonly any = new PathTable<R>(this.tree);
  private readonly priorities = new Priorities();

  /** Adds an entry before the existing ones of its route. */
  add(entry: RouteEntry<R>): void {
    (this.known(entry.host) ?? this.made(entry.host)).add(entry);
    this.priorities.add(entry.priority);
    this.highest = this.priorities.highest;
  }

  /** Removes an entry that was added. */
  remove(entry: RouteEntry<R>): void {
    const table = this.known(entry.host);
    if (table === undefined) return;
    table.remove(entry);
    if (table.isEmpty) this.forget(entry.host, table);
    this.priorities.remove(entry.priority);
    this.highest = this.priorities.highest;
  }

  /** Returns the first of the entries that match. The path is in normal form, up to `end`. */
  find(host: string, text: string, end: number, ctx: ProxyContext): RouteEntry<R> | undefined {
    let found: RouteEntry<R> | undefined;
    for (let table = this.tableOf(host); table !== undefined; table = this.parentOf(table)) {
      found = table.find(text, end, ctx, found);
      if (found !== undefined && found.priority >= this.highest) return found;
    }
    if (this.expressions.length > 0) found = this.findByExpression(host, text, end, ctx, found);
    return this.any.find(text, end, ctx, found);
  }

  /** Whether the path matters for a host. */
  looksAtPath(host: string): boolean {
    if (this.any.looksAtPath || this.expressions.some(({ table }) => table.looksAtPath)) return true;
    for (let table = this.tableOf(host); table !== undefined; table = this.parentOf(table)) {
      if (table.looksAtPath) return true;
    }
    return false;
  }

  /** Yields the entries that match everything that this one matches and come before it, ignoring further conditions. */
  *before(entry: RouteEntry<R>): Generator<RouteEntry<R>> {
    let table = entry.host.kind === 'any' ? undefined : this.known(entry.host);
    for (; table !== undefined; table = this.parentOf(table)) yield* table.before(entry);
    yield* this.any.before(entry);
  }

  /** Calls `see` with the entries that match only what this one matches and come after it, ignoring its further conditions. */
  behind(entry: RouteEntry<R>, see: Seen<R>): void {
    const own = this.known(entry.host);
    own?.behind(entry, see);
    // More specific hosts come first, except those of a lower priority.
    if (this.priorities.lowest >= entry.priority) return;
    for (const table of this.narrower(entry.host)) {
      if (table !== own && table.lowest < entry.priority) table.behind(entry, see);
    }
  }

  private *narrower(host: HostKey): Generator<PathTable<R>> {
    if (host.kind !== 'any' && host.kind !== 'below') return;
    const suffix = host.kind === 'below' ? host.suffix : '';
    for (const tables of [this.names, this.suffixes]) {
      for (const table of tables.values()) if (table.host.endsWith(suffix)) yield table;
    }
    if (host.kind === 'below') return;
    for (const { table } of this.addresses) yield table;
    for (const { table } of this.expressions) yield table;
  }

  private findByExpression(
    host: string,
    text: string,
    end: number,
    ctx: ProxyContext,
    best: RouteEntry<R> | undefined,
  ): RouteEntry<R> | undefined {
    const name = host.slice(0, hostEnd(host)).toLowerCase();
    let found = best;
    for (const { expression, table } of this.expressions) {
      if (best !== undefined && best.priority >= table.highest) continue;
      if (found !== undefined && found.priority > table.highest) continue;
      if (!expression.test(name)) continue;
      const other = table.find(text, end, ctx, best);
      // No expression is more specific than another: the paths decide.
      if (other === undefined || other === best) continue;
      if (found === undefined || found === best || precedes(other, found)) found = other;
    }
    return found;
  }

  /** The table of the most specific matching host that is not an expression. */
  private tableOf(host: string): PathTable<R> | undefined {
    if (host.charCodeAt(0) === bracket) return this.addressed(host);
    const end = hostEnd(host);
    return this.named(host, end) ?? this.below(host, end);
  }

  private addressed(host: string): PathTable<R> | undefined {
    for (const { pattern, table } of this.addresses) if (pattern.matches(host)) return table;
    return undefined;
  }

  private named(host: string, end: number): PathTable<R> | undefined {
    const { names } = this;
    if (names.isSmall) return names.findAmongFew(host, 0, end);
    let hash = emptyHash;
    for (let i = end - 1; i >= 0; i--) hash = hashWith(hash, host.charCodeAt(i));
    return names.find(host, 0, end, hash);
  }

  /** The table of the longest proper suffix of a host. */
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

  private parentOf(table: PathTable<R>): PathTable<R> | undefined {
    if (table.parentFound !== this.suffixChanges) {
      table.parent = this.below(table.host, table.host.length);
      table.parentFound = this.suffixChanges;
    }
    return table.parent;
  }

  private known(host: HostKey): PathTable<R> | undefined {
    switch (host.kind) {
      case 'any':
        return this.any;
      case 'name':
        return this.names.get(host.name);
      case 'below':
        return this.suffixes.get(host.suffix);
      case 'address':
        return this.addressed(host.address);
      case 'expression':
        return this.byExpression.get(String(host.expression))?.table;
    }
  }

  private made(host: HostKey): PathTable<R> {
    const text = host.kind === 'name' ? host.name : host.kind === 'below' ? host.suffix : '';
    const table = new PathTable<R>(this.tree, text);
    if (host.kind === 'name') this.names.add(host.name, table);
    else if (host.kind === 'below') {
      this.suffixes.add(host.suffix, table);
      this.suffixChanges++;
    } else if (host.kind === 'address') this.addresses.push({ pattern: host.pattern, table });
    else if (host.kind === 'expression') {
      const made = { expression: host.expression, table };
      this.expressions.push(made);
      this.byExpression.set(String(host.expression), made);
    }
    return table;
  }

  private forget(host: HostKey, table: PathTable<R>): void {
    if (host.kind === 'name') this.names.remove(host.name);
    else if (host.kind === 'below') {
      this.suffixes.remove(host.suffix);
      this.suffixChanges++;
    } else if (host.kind === 'address') removeOf(this.addresses, table);
    else if (host.kind === 'expression') {
      removeOf(this.expressions, table);
      this.byExpression.delete(String(host.expression));
    }
  }
}

function removeOf<T>(list: { readonly table: T }[], table: T): void {
  const at = list.findIndex(each => each.table === table);
  if (at >= 0) list.splice(at, 1);
}
