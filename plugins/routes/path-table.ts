// PathTable: the entries of one host by path: in a tree of segments, and in lists of regular expressions and of entries for any
// path.
import { WeldrError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { hashWith } from './hash-table.ts';
import type { SegmentsKey } from './path-key.ts';
import { noPriority, Priorities } from './priorities.ts';
import { type IndexedRoute, listWith, listWithout, precedes, type RouteEntry } from './route-entry.ts';
import type { PathNode, SegmentTree } from './segment-tree.ts';

/** The longest path that regular expressions are tried on; longer ones are refused if an expression would be tried. */
export const maxForExpressions = 2048;

const slash = 0x2f;

/** The first entry of a list of entries with the same host and path; undefined: the list is empty. */
type List<R extends IndexedRoute> = RouteEntry<R> | undefined;

/** Receives entries one by one. */
export type Seen<R extends IndexedRoute> = (entry: RouteEntry<R>) => void;

/** Entries of one host. */
export class PathTable<R extends IndexedRoute> {
  /** The highest priority of all entries; {@link noPriority}: there are none. */
  highest = noPriority;
  private readonly tree: SegmentTree<R>;
  private readonly root: PathNode<R>;
  /** The first entry whose path is an expression, and the first for any path. */
  private expressions: List<R> = undefined;
  private any: List<R> = undefined;
  /** The table of the next less specific host that also matches; undefined: there is none. */
  parent: PathTable<R> | undefined = undefined;
  /** The change count of the less specific hosts when `parent` was looked up. */
  parentFound = -1;
  /** @param host a name or a suffix; empty: neither */
  readonly host: string;
  private readonly priorities = new Priorities();

  constructor(tree: SegmentTree<R>, host = '') {
    this.tree = tree;
    this.root = tree.root();
    this.host = host;
  }

  /** Whether the path matters. */
  get looksAtPath(): boolean {
    return !this.root.isEmpty || this.expressions !== undefined;
  }

  get isEmpty(): boolean {
    return this.highest === noPriority;
  }

  /** The lowest priority of all entries; {@link noPriority}: there are none. */
  get lowest(): number {
    return this.priorities.lowest;
  }

  /** Adds an entry before the existing ones of its route. */
  add(entry: RouteEntry<R>): void {
    const { path } = entry;
    if (path.kind === 'any') this.any = listWith(this.any, entry);
    else if (path.kind === 'expression') this.expressions = listWith(this.expressions, entry);
    else {
      let node = this.root;
      for (const segment of path.segments) node = this.tree.childOf(node, segment);
      const end = path.isPrefix ? 'below' : 'exact';
      node[end] = listWith(node[end], entry);
    }
    this.priorities.add(entry.priority);
    this.highest = this.priorities.highest;
  }

  /** Removes an entry that was added. */
  remove(entry: RouteEntry<R>): void {
    const { path } = entry;
    if (path.kind === 'any') this.any = listWithout(this.any, entry);
    else if (path.kind === 'expression') this.expressions = listWithout(this.expressions, entry);
    else {
      let node = this.root;
      for (const segment of path.segments) node = this.tree.childOf(node, segment);
      const end = path.isPrefix ? 'below' : 'exact';
      node[end] = listWithout(node[end], entry);
      this.tree.prune(node);
    }
    this.priorities.remove(entry.priority);
    this.highest = this.priorities.highest;
  }

  /**
   * Returns the first of the entries that match, or `best`, which is from a more specific host, if none has a higher
   * priority. The path is in normal form, up to `end`.
   */
  find(text: string, end: number, ctx: ProxyContext, best: List<R>): List<R> {
    const { highest } = this;
    if (best !== undefined && best.priority >= highest) return best;
    let found = best;
    if (text.charCodeAt(0) === slash) {
      found = search(this.tree, this.root, text, 0, end, ctx, found, highest);
    }
    if (this.expressions !== undefined) found = this.findByExpression(text, end, ctx, found);
    return this.any === undefined ? found : firstHolding(this.any, ctx, found);
  }

  /** Yields the entries that match everything that this one matches and come before it, ignoring further conditions. */
  *before(entry: RouteEntry<R>): Generator<RouteEntry<R>> {
    const { path } = entry;
    if (path.kind === 'expression') yield* leading(this.expressions, entry, sameExpression(path.expression));
    else if (path.kind === 'segments') yield* this.beforeIn(this.root, path, 0, entry);
    yield* leading(this.any, entry);
  }

  /** Calls `see` with the entries that match only what this one matches and come after it, ignoring its further conditions. */
  behind(entry: RouteEntry<R>, see: Seen<R>): void {
    const { path } = entry;
    if (path.kind === 'expression') {
      const isSame = sameExpression(path.expression);
      trailing(this.expressions, entry, other => {
        if (isSame(other)) see(other);
      });
    } else if (path.kind === 'segments') behindIn(this.root, path, 0, entry, see);
    else {
      behindInAll(this.root, entry, see);
      trailing(this.expressions, entry, see);
      trailing(this.any, entry, see);
    }
  }

  private findByExpression(text: string, end: number, ctx: ProxyContext, best: List<R>): List<R> {
    const path = end === text.length ? text : text.slice(0, end);
    for (let entry = this.expressions; entry !== undefined; entry = entry.next) {
      if (best !== undefined && best.priority >= entry.priority) return best;
      if (end > maxForExpressions) throw tooLong(entry.route.name);
      if (entry.path.kind === 'expression' && entry.path.expression.test(path) && holds(entry, ctx))
        return entry;
    }
    return best;
  }

  private *beforeIn(
    node: PathNode<R>,
    path: SegmentsKey,
    at: number,
    entry: RouteEntry<R>,
  ): Generator<RouteEntry<R>> {
    yield* leading(node.below, entry);
    const segment = path.segments[at];
    if (segment === undefined) {
      if (!path.isPrefix) yield* leading(node.exact, entry);
      return;
    }
    const child = 'literal' in segment ? this.tree.literalOf(node, segment.literal) : undefined;
    for (const next of [child, node.parameter]) {
      if (next !== undefined) yield* this.beforeIn(next, path, at + 1, entry);
    }
  }
}

function behindIn<R extends IndexedRoute>(
  node: PathNode<R>,
  path: SegmentsKey,
  at: number,
  entry: RouteEntry<R>,
  see: Seen<R>,
): void {
  const segment = path.segments[at];
  if (segment === undefined) {
    if (path.isPrefix) behindInAll(node, entry, see);
    else trailing(node.exact, entry, see);
    return;
  }
  const isParameter = 'parameter' in segment;
  for (const child of node.literals ?? []) {
    if (isParameter || child.segment === segment.literal) behindIn(child, path, at + 1, entry, see);
  }
  if (isParameter && node.parameter !== undefined) behindIn(node.parameter, path, at + 1, entry, see);
}

function behindInAll<R extends IndexedRoute>(node: PathNode<R>, entry: RouteEntry<R>, see: Seen<R>): void {
  trailing(node.exact, entry, see);
  for (const child of node.literals ?? []) behindInAll(child, entry, see);
  if (node.parameter !== undefined) behindInAll(node.parameter, entry, see);
  trailing(node.below, entry, see);
}

const sameExpression =
  (expression: RegExp) =>
  ({ path }: RouteEntry): boolean =>
    path.kind === 'expression' && String(path.expression) === String(expression);

/** Yields the entries of a list that come before an entry of another list. */
function* leading<R extends IndexedRoute>(
  first: List<R>,
  entry: RouteEntry<R>,
  isMeant: (other: RouteEntry) => boolean = () => true,
): Generator<RouteEntry<R>> {
  for (let other = first; other !== undefined && precedes(other, entry); other = other.next) {
    if (isMeant(other)) yield other;
  }
}

/** Calls `see` with the entries of a list that come after an entry of another list. */
function trailing<R extends IndexedRoute>(first: List<R>, entry: RouteEntry<R>, see: Seen<R>): void {
  for (let other = first; other !== undefined; other = other.next) if (precedes(entry, other)) see(other);
}

/** Searches this part of the tree; `at` is the index of the next segment's slash. */
function search<R extends IndexedRoute>(
  tree: SegmentTree<R>,
  node: PathNode<R>,
  text: string,
  at: number,
  end: number,
  ctx: ProxyContext,
  best: List<R>,
  highest: number,
): List<R> {
  let found = best;
  // "/login/" is "/login".
  if (at >= end - 1) {
    if (node.exact !== undefined && node.leads(text, at)) found = firstHolding(node.exact, ctx, found);
  } else if (node.literals !== undefined || node.parameter !== undefined) {
    let next = at + 1;
    let hash = node.seed;
    for (; next < end; next++) {
      const code = text.charCodeAt(next);
      if (code === slash) break;
      hash = hashWith(hash, code);
    }
    if (node.literals !== undefined) {
      for (let slot = tree.first(hash); slot >= 0; slot = tree.next(slot, hash)) {
        const child = tree.at(slot);
        if (child?.parent !== node) continue;
        found = search(tree, child, text, next, end, ctx, found, highest);
        // The rest is less specific.
        if (found !== undefined && found.priority >= highest) return found;
      }
    }
    if (node.parameter !== undefined && next > at + 1) {
      found = search(tree, node.parameter, text, next, end, ctx, found, highest);
      if (found !== undefined && found.priority >= highest) return found;
    }
  }
  return node.below !== undefined && node.leads(text, at) ? firstHolding(node.below, ctx, found) : found;
}

/**
 * Returns the first entry of a list whose conditions hold, or `best`, which is more specific, unless that entry has a higher
 * priority.
 */
function firstHolding<R extends IndexedRoute>(
  first: RouteEntry<R>,
  ctx: ProxyContext,
  best: List<R>,
): List<R> {
  for (let entry: List<R> = first; entry !== undefined; entry = entry.next) {
    if (best !== undefined && best.priority >= entry.priority) return best;
    if (holds(entry, ctx)) return entry;
  }
  return best;
}

function holds({ holds: condition }: RouteEntry, ctx: ProxyContext): boolean {
  return condition === undefined || condition(ctx);
}

function tooLong(route: string): WeldrError {
  const why = `the path is over the ${maxForExpressions} characters that regular expressions of routes are tried on`;
  return new WeldrError('BAD_REQUEST', `${why}, such as that of the route ${route}`);
}
