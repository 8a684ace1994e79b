// PathTable: the entries of one host by their paths: a tree of segments, regular expressions, and those for any path.
import { WeldrError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { PathKey, PathSegment } from './path-key.ts';
import type { IndexedRoute, RouteEntry } from './route-entry.ts';
import { emptyHash, hashWith, TextTable } from './text-table.ts';

/** Characters of a path that regular expressions are tried on; a longer one is refused where one would have to be. */
export const maxForExpressions = 2048;

const slash = 0x2f;

/** A place in the tree: the segments that lead to it, and what goes on from there. */
class PathNode<R extends IndexedRoute> {
  literals: TextTable<PathNode<R>> | undefined = undefined;
  parameter: PathNode<R> | undefined = undefined;
  /** Entries whose path ends here, by rank. */
  readonly exact: RouteEntry<R>[] = [];
  /** Entries for all from here on. */
  readonly below: RouteEntry<R>[] = [];
  /** The lowest rank in this part of the tree. */
  least = Number.POSITIVE_INFINITY;
}

/** Entries of one host. They are added by rank. */
export class PathTable<R extends IndexedRoute> {
  /** The table of the next wider host that matches as well; undefined: there is none. */
  parent: PathTable<R> | undefined = undefined;
  private readonly root = new PathNode<R>();
  private readonly expressions: { readonly expression: RegExp; readonly entry: RouteEntry<R> }[] = [];
  private readonly any: RouteEntry<R>[] = [];
  private least = Number.POSITIVE_INFINITY;

  /** Does it make a difference what the path is? */
  get looksAtPath(): boolean {
    return this.root.least < Number.POSITIVE_INFINITY || this.expressions.length > 0;
  }

  /** Can there be an entry of a lower rank than `best`? */
  mayHaveBetter(best: RouteEntry<R> | undefined): boolean {
    return best === undefined || this.least < best.rank;
  }

  add(entry: RouteEntry<R>): void {
    const { path, rank } = entry;
    this.least = Math.min(this.least, rank);
    if (path.kind === 'any') this.any.push(entry);
    else if (path.kind === 'expression') this.expressions.push({ expression: path.expression, entry });
    else {
      let node = this.root;
      node.least = Math.min(node.least, rank);
      for (const segment of path.segments) {
        node = childOf(node, segment);
        node.least = Math.min(node.least, rank);
      }
      (path.isPrefix ? node.below : node.exact).push(entry);
    }
  }

  /** The entry of the lowest rank that matches; `best`, if none is lower. The path is in normal form, up to `end`. */
  find(
    text: string,
    end: number,
    ctx: ProxyContext,
    best: RouteEntry<R> | undefined,
  ): RouteEntry<R> | undefined {
    if (!this.mayHaveBetter(best)) return best;
    let found = best;
    if (this.root.least < Number.POSITIVE_INFINITY && text.charCodeAt(0) === slash) {
      found = search(this.root, text, 0, end, ctx, found);
    }
    for (const { expression, entry } of this.expressions) {
      if (found !== undefined && entry.rank > found.rank) break;
      if (end > maxForExpressions) throw tooLong(entry.route.name);
      if (!expression.test(end === text.length ? text : text.slice(0, end)) || !holds(entry, ctx)) continue;
      found = entry;
      break;
    }
    return this.any.length === 0 ? found : firstHolding(this.any, ctx, found);
  }

  /** The entries that match all which this path does, and maybe more. */
  covering(path: PathKey): readonly RouteEntry<R>[] {
    const { any, expressions } = this;
    if (path.kind === 'any') return any;
    if (path.kind === 'expression') {
      const same = expressions.filter(({ expression }) => String(expression) === String(path.expression));
      return [...same.map(({ entry }) => entry), ...any];
    }
    return [...coveringIn(this.root, path.segments, 0, path.isPrefix), ...any];
  }
}

function childOf<R extends IndexedRoute>(node: PathNode<R>, segment: PathSegment): PathNode<R> {
  if ('parameter' in segment) {
    node.parameter ??= new PathNode();
    return node.parameter;
  }
  node.literals ??= new TextTable('forwards');
  let child = node.literals.get(segment.literal);
  if (child === undefined) {
    child = new PathNode();
    node.literals.add(segment.literal, child);
  }
  return child;
}

/** What matches in this part of the tree; `at` is where the next segment's slash stands. */
function search<R extends IndexedRoute>(
  node: PathNode<R>,
  text: string,
  at: number,
  end: number,
  ctx: ProxyContext,
  best: RouteEntry<R> | undefined,
): RouteEntry<R> | undefined {
  if (best !== undefined && best.rank < node.least) return best;
  let found = best;
  // "/login/" is "/login".
  if (at >= end - 1) {
    if (node.exact.length > 0) found = firstHolding(node.exact, ctx, found);
  } else {
    let next = at + 1;
    let hash = emptyHash;
    for (; next < end; next++) {
      const code = text.charCodeAt(next);
      if (code === slash) break;
      hash = hashWith(hash, code);
    }
    const child = node.literals?.find(text, at + 1, next, hash);
    if (child !== undefined) found = search(child, text, next, end, ctx, found);
    if (node.parameter !== undefined && next > at + 1) {
      found = search(node.parameter, text, next, end, ctx, found);
    }
  }
  return node.below.length === 0 ? found : firstHolding(node.below, ctx, found);
}

function firstHolding<R extends IndexedRoute>(
  entries: readonly RouteEntry<R>[],
  ctx: ProxyContext,
  best: RouteEntry<R> | undefined,
): RouteEntry<R> | undefined {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry === undefined || (best !== undefined && entry.rank > best.rank)) return best;
    if (holds(entry, ctx)) return entry;
  }
  return best;
}

function holds({ route }: RouteEntry, ctx: ProxyContext): boolean {
  return route.holds === undefined || route.holds(ctx);
}

function coveringIn<R extends IndexedRoute>(
  node: PathNode<R>,
  segments: readonly PathSegment[],
  at: number,
  isPrefix: boolean,
): RouteEntry<R>[] {
  const found = [...node.below];
  const segment = segments[at];
  if (segment === undefined) return isPrefix ? found : [...found, ...node.exact];
  const child = 'literal' in segment ? node.literals?.get(segment.literal) : undefined;
  for (const next of [child, node.parameter]) {
    if (next !== undefined) found.push(...coveringIn(next, segments, at + 1, isPrefix));
  }
  return found;
}

function tooLong(route: string): WeldrError {
  const why = `the path is longer than the ${maxForExpressions} characters that regular expressions of routes are tried on`;
  return new WeldrError('BAD_REQUEST', `${why}, such as that of the route ${route}`);
}
