// SegmentTree: the segments of all paths, from the root of each host on. The children of all its nodes are in one hash table,
// so that a step down the tree looks at few places in memory, however many routes there are.
import { HashTable, hashWith } from './hash-table.ts';
import type { PathSegment } from './path-key.ts';
import type { IndexedRoute, RouteEntry } from './route-entry.ts';
import { isAt } from './text-table.ts';

const slash = 0x2f;

/** A place in the tree: the segments that lead to it, and what ends here or goes on from here. */
export class PathNode<R extends IndexedRoute> {
  // What each step looks at comes first: an object of this size is more than a line of the processor's cache.
  readonly parent: PathNode<R> | undefined;
  /** What the hashes of its children's segments begin with. */
  readonly seed: number;
  /** The children that stand for a literal; undefined: there are none. */
  literals: PathNode<R>[] | undefined = undefined;
  parameter: PathNode<R> | undefined = undefined;
  /** The first entry for all from here on; undefined: there is none. */
  below: RouteEntry<R> | undefined = undefined;
  /** The first entry whose path ends here; undefined: there is none. */
  exact: RouteEntry<R> | undefined = undefined;
  /** All segments as they stand in a path; undefined: there are parameters among them. */
  private readonly literal: string | undefined;
  /** The last one; undefined: any that is not empty. */
  readonly segment: string | undefined;

  constructor(number: number, parent: PathNode<R> | undefined, segment: string | undefined) {
    this.parent = parent;
    this.segment = segment;
    this.seed = Math.imul(number, 0x9e3779b1);
    const before = parent === undefined ? '' : parent.literal;
    // A join makes one string, where + would make one of two parts, which is compared slowly.
    if (parent === undefined) this.literal = '';
    else
      this.literal = before === undefined || segment === undefined ? undefined : [before, segment].join('/');
  }

  /** Does no path end here or lead through here? */
  get isEmpty(): boolean {
    const { literals, parameter, below, exact } = this;
    return literals === undefined && parameter === undefined && below === undefined && exact === undefined;
  }

  /** Are these the segments of a path up to `end`? On the way here their hashes were compared alone. */
  leads(text: string, end: number): boolean {
    if (this.literal !== undefined) return isAt(text, 0, end, this.literal);
    let at = end;
    for (let node: PathNode<R> = this; node.parent !== undefined; node = node.parent) {
      if (node.literal !== undefined) return isAt(text, 0, at, node.literal);
      let start = at - 1;
      while (text.charCodeAt(start) !== slash) start--;
      if (node.segment !== undefined && !isAt(text, start + 1, at, node.segment)) return false;
      at = start;
    }
    return true;
  }
}

/** All nodes of all hosts. */
export class SegmentTree<R extends IndexedRoute> {
  /** The nodes which stand for a literal, by the hash of its characters and of their parent. */
  private readonly literals = new HashTable<PathNode<R>>();
  /** Counts on where nodes leave: one who comes has no number of one who is there. */
  private made = 0;

  /** Makes the root of another host. */
  root(): PathNode<R> {
    return this.node(undefined, undefined);
  }

  /** The child of a node, made when it is new. */
  childOf(parent: PathNode<R>, segment: PathSegment): PathNode<R> {
    if ('parameter' in segment) {
      parent.parameter ??= this.node(parent, undefined);
      return parent.parameter;
    }
    const known = this.literalOf(parent, segment.literal);
    if (known !== undefined) return known;
    const child = this.node(parent, segment.literal);
    if (parent.literals === undefined) parent.literals = [child];
    else parent.literals.push(child);
    this.literals.add(hashIn(parent, segment.literal), child);
    return child;
  }

  /** The child of a node that stands for this segment; undefined: there is none. */
  literalOf(parent: PathNode<R>, literal: string): PathNode<R> | undefined {
    const hash = hashIn(parent, literal);
    for (let slot = this.first(hash); slot >= 0; slot = this.next(slot, hash)) {
      const node = this.at(slot);
      if (node?.parent === parent && node.segment === literal) return node;
    }
    return undefined;
  }

  /** Takes a node out that has become empty, and those above it which are empty then. Roots stay. */
  prune(from: PathNode<R>): void {
    let node = from;
    for (let { parent } = node; parent !== undefined && node.isEmpty; { parent } = node) {
      if (node.segment === undefined) parent.parameter = undefined;
      else {
        this.literals.remove(hashIn(parent, node.segment), node);
        removeFrom(parent, node);
      }
      node = parent;
    }
  }

  /** The slot of the first node, of any parent, whose segment has this hash; -1: there is none. */
  first(hash: number): number {
    return this.literals.first(hash);
  }

  next(slot: number, hash: number): number {
    return this.literals.next(slot, hash);
  }

  at(slot: number): PathNode<R> | undefined {
    return this.literals.at(slot);
  }

  private node(parent: PathNode<R> | undefined, segment: string | undefined): PathNode<R> {
    this.made = (this.made + 1) | 0;
    return new PathNode<R>(this.made, parent, segment);
  }
}

function removeFrom<R extends IndexedRoute>(parent: PathNode<R>, child: PathNode<R>): void {
  const { literals } = parent;
  const last = literals?.pop();
  if (literals === undefined || last === undefined) return;
  if (literals.length === 0) parent.literals = undefined;
  else if (last !== child) literals[literals.indexOf(child)] = last;
}

function hashIn({ seed }: PathNode<IndexedRoute>, literal: string): number {
  let hash = seed;
  for (let i = 0; i < literal.length; i++) hash = hashWith(hash, literal.charCodeAt(i));
  return hash;
}
