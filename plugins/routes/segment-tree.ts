// SegmentTree: the segments of all paths, from the root of each host. The children of all nodes are in one hash table, so a step
// down the tree touches few places in memory, for any number of routes.
import { HashTable, hashWith } from './hash-table.ts';
import type { PathSegment } from './path-key.ts';
import type { IndexedRoute, RouteEntry } from './route-entry.ts';
import { isAt } from './text-table.ts';

const slash = 0x2f;

/** A node: the segments that lead to it, and what ends or continues here. */
export class PathNode<R extends IndexedRoute> {
  // Fields read at each step come first: an object of this size spans more than one cache line.
  readonly parent: PathNode<R> | undefined;
  /** The initial value of the hashes of its children's segments. */
  readonly seed: number;
  /** The literal children; undefined: there are none. */
  literals: PathNode<R>[] | undefined = undefined;
  parameter: PathNode<R> | undefined = undefined;
  /** The first entry for everything from here on; undefined: there is none. */
  below: RouteEntry<R> | undefined = undefined;
  /** The first entry whose path ends here; undefined: there is none. */
  exact: RouteEntry<R> | undefined = undefined;
  /** All segments as in a path; undefined: some are parameters. */
  private readonly literal: string | undefined;
  /** The last segment; undefined: a parameter. */
  readonly segment: string | undefined;

  constructor(number: number, parent: PathNode<R> | undefined, segment: string | undefined) {
    this.parent = parent;
    this.segment = segment;
    this.seed = Math.imul(number, 0x9e3779b1);
    const before = parent === undefined ? '' : parent.literal;
    // A join makes a flat string; + would make a rope, which is slow to compare.
    if (parent === undefined) this.literal = '';
    else
      this.literal = before === undefined || segment === undefined ? undefined : [before, segment].join('/');
  }

  /** Whether no path ends here or leads through here. */
  get isEmpty(): boolean {
    const { literals, parameter, below, exact } = this;
    return literals === undefined && parameter === undefined && below === undefined && exact === undefined;
  }

  /** Whether these are the segments of a path up to `end`; so far only their hashes were compared. */
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
  /** The literal nodes, by the hash of their characters and their parent. */
  private readonly literals = new HashTable<PathNode<R>>();
  /** The last number given to a node. The number of a removed node is not reused, so that numbers stay unique. */
  private made = 0;

  /** Returns a new root, for one more host. */
  root(): PathNode<R> {
    return this.node(undefined, undefined);
  }

  /** Returns the child of a node, creating it if needed. */
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

  /** Returns the child of a node for this literal; undefined: there is none. */
  literalOf(parent: PathNode<R>, literal: string): PathNode<R> | undefined {
    const hash = hashIn(parent, literal);
    for (let slot = this.first(hash); slot >= 0; slot = this.next(slot, hash)) {
      const node = this.at(slot);
      if (node?.parent === parent && node.segment === literal) return node;
    }
    return undefined;
  }

  /** Removes a node that has become empty, and its ancestors that are then empty. Roots stay. */
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

  /** Returns the slot of the first node, of any parent, whose segment has this hash; -1: there is none. */
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
