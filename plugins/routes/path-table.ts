// PathTable: the entries of one host by their paths: a tree of segments, regular expressions, and those for any path.
import { WeldrError } from '../../core/errors.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import type { PathKey, PathSegment } from './path-key.ts';
import { type IndexedRoute, listFrom, type RouteEntry } from './route-entry.ts';
import { noRank, type PathNode, type SegmentTree } from './segment-tree.ts';
import { hashWith } from './text-table.ts';

/** Characters of a path that regular expressions are tried on; a longer one is refused where one would have to be. */
export const maxForExpressions = 2048;

const slash = 0x2f;

/** Entries of one host. They are added from the highest rank to the lowest. */
export class PathTable<R extends IndexedRoute> {
  /** The table of the next wider host that matches as well; undefined: there is none. */
  parent: PathTable<R> | undefined = undefined;
  private readonly tree: SegmentTree<R>;
  private readonly root: PathNode<R>;
  /** The first entry whose path is an expression, and the first for any path. */
  private expressions: RouteEntry<R> | undefined = undefined;
  private any: RouteEntry<R> | undefined = undefined;
  private least = noRank;

  constructor(tree: SegmentTree<R>) {
    this.tree = tree;
    this.root = tree.root();
  }

  /** Does it make a difference what the path is? */
  get looksAtPath(): boolean {
    return this.root.least < noRank || this.expressions !== undefined;
  }

  /** Can there be an entry of a lower rank than `best`? */
  mayHaveBetter(best: RouteEntry<R> | undefined): boolean {
    return best === undefined || this.least < best.rank;
  }

  add(entry: RouteEntry<R>): void {
    const { path, rank } = entry;
    this.least = Math.min(this.least, rank);
    if (path.kind === 'any') {
      entry.next = this.any;
      this.any = entry;
    } else if (path.kind === 'expression') {
      entry.next = this.expressions;
      this.expressions = entry;
    } else {
      let node = this.root;
      node.least = Math.min(node.least, rank);
      for (const segment of path.segments) {
        node = this.tree.childOf(node, segment);
        node.least = Math.min(node.least, rank);
      }
      const end = path.isPrefix ? 'below' : 'exact';
      entry.next = node[end];
      node[end] = entry;
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
    if (this.root.least < noRank && text.charCodeAt(0) === slash) {
      found = search(this.tree, this.root, text, 0, end, ctx, found);
    }
    if (this.expressions !== undefined) found = this.findByExpression(text, end, ctx, found);
    return this.any === undefined ? found : firstHolding(this.any, ctx, found);
  }

  /** The entries that match all which this path does, and maybe more. */
  covering(path: PathKey): readonly RouteEntry<R>[] {
    const any = listFrom(this.any);
    if (path.kind === 'any') return any;
    if (path.kind === 'expression') {
      const wanted = String(path.expression);
      const same = listFrom(this.expressions).filter(
        ({ path: other }) => other.kind === 'expression' && String(other.expression) === wanted,
      );
      return [...same, ...any];
    }
    return [...this.coveringIn(this.root, path.segments, 0, path.isPrefix), ...any];
  }

  private findByExpression(
    text: string,
    end: number,
    ctx: ProxyContext,
    best: RouteEntry<R> | undefined,
  ): RouteEntry<R> | undefined {
    const path = end === text.length ? text : text.slice(0, end);
    for (let entry = this.expressions; entry !== undefined; entry = entry.next) {
      if (best !== undefined && entry.rank > best.rank) return best;
      if (end > maxForExpressions) throw tooLong(entry.route.name);
      if (entry.path.kind === 'expression' && entry.path.expression.test(path) && holds(entry, ctx))
        return entry;
    }
    return best;
  }

  private coveringIn(
    node: PathNode<R>,
    segments: readonly PathSegment[],
    at: number,
    isPrefix: boolean,
  ): RouteEntry<R>[] {
    const found = listFrom(node.below);
    const segment = segments[at];
    if (segment === undefined) return isPrefix ? found : [...found, ...listFrom(node.exact)];
    const child = 'literal' in segment ? this.tree.literalOf(node, segment.literal) : undefined;
    for (const next of [child, node.parameter]) {
      if (next !== undefined) found.push(...this.coveringIn(next, segments, at + 1, isPrefix));
    }
    return found;
  }
}

/** What matches in this part of the tree; `at` is where the next segment's slash stands. */
function search<R extends IndexedRoute>(
  tree: SegmentTree<R>,
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
    if (node.exact !== undefined && node.leads(text, at)) found = firstHolding(node.exact, ctx, found);
  } else {
    let next = at + 1;
    let hash = node.seed;
    for (; next < end; next++) {
      const code = text.charCodeAt(next);
      if (code === slash) break;
      hash = hashWith(hash, code);
    }
    let child = node.hasLiterals ? tree.find(hash) : undefined;
    for (; child !== undefined; child = child.twin) {
      if (child.parent === node) found = search(tree, child, text, next, end, ctx, found);
    }
    if (node.parameter !== undefined && next > at + 1) {
      found = search(tree, node.parameter, text, next, end, ctx, found);
    }
  }
  return node.below !== undefined && node.leads(text, at) ? firstHolding(node.below, ctx, found) : found;
}

function firstHolding<R extends IndexedRoute>(
  first: RouteEntry<R>,
  ctx: ProxyContext,
  best: RouteEntry<R> | undefined,
): RouteEntry<R> | undefined {
  for (let entry: RouteEntry<R> | undefined = first; entry !== undefined; entry = entry.next) {
    if (best !== undefined && entry.rank > best.rank) return best;
    if (holds(entry, ctx)) return entry;
  }
  return best;
}

function holds({ holds: condition }: RouteEntry, ctx: ProxyContext): boolean {
  return condition === undefined || condition(ctx);
}

function tooLong(route: string): WeldrError {
  const why = `the path is longer than the ${maxForExpressions} characters that regular expressions of routes are tried on`;
  return new WeldrError('BAD_REQUEST', `${why}, such as that of the route ${route}`);
}
