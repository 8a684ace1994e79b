// SegmentTree: the segments of all paths, from the root of each host on. The children of all its nodes are in one hash table,
// so that a step down the tree looks at few places in memory, however many routes there are.
import type { PathSegment } from './path-key.ts';
import type { IndexedRoute, RouteEntry } from './route-entry.ts';
import { hashWith, isAt } from './text-table.ts';

/** Higher than any rank; a small integer, which stands in its object and not beside it. */
export const noRank = 2 ** 30 - 1;

/** A place in the tree: the segments that lead to it, and what ends here or goes on from here. */
export class PathNode<R extends IndexedRoute> {
  // What each step looks at comes first: an object of this size is more than a line of the processor's cache.
  readonly parent: PathNode<R> | undefined;
  /** The lowest rank in this part of the tree; {@link noRank}: there is none. */
  least = noRank;
  /** What the hashes of its children's segments begin with. */
  readonly seed: number;
  hasLiterals = false;
  parameter: PathNode<R> | undefined = undefined;
  /** The first entry for all from here on; undefined: there is none. */
  below: RouteEntry<R> | undefined = undefined;
  /** The first entry whose path ends here; undefined: there is none. */
  exact: RouteEntry<R> | undefined = undefined;
  /** Another node whose segment has the same hash. */
  twin: PathNode<R> | undefined = undefined;
  /** All segments as they stand in a path; undefined: there are parameters among them. */
  private readonly literal: string | undefined;
  /** From the root on; undefined: any segment that is not empty. */
  readonly segments: readonly (string | undefined)[];

  constructor(number: number, parent: PathNode<R> | undefined, segment: string | undefined) {
    this.parent = parent;
    this.segments = parent === undefined ? [] : [...parent.segments, segment];
    this.seed = Math.imul(number, 0x9e3779b1);
    this.literal = this.segments.includes(undefined)
      ? undefined
      : this.segments.map(each => `/${each}`).join('');
  }

  /** Are these the segments of a path up to `end`? On the way here their hashes were compared alone. */
  leads(text: string, end: number): boolean {
    const { literal, segments } = this;
    if (literal !== undefined) return isAt(text, 0, end, literal);
    let at = 0;
    for (const segment of segments) {
      let next = text.indexOf('/', at + 1);
      if (next < 0 || next > end) next = end;
      if (segment !== undefined && !isAt(text, at + 1, next, segment)) return false;
      at = next;
    }
    return true;
  }
}

/** All nodes of all hosts. */
export class SegmentTree<R extends IndexedRoute> {
  private readonly nodes: PathNode<R>[] = [];
  /** The hash of a child's segment and its place in `nodes`, -1: free; two numbers each, at most half of them in use. */
  private slots = new Int32Array(32).fill(-1);
  private used = 0;

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
    parent.hasLiterals = true;
    this.put(child, hashIn(parent, segment.literal));
    return child;
  }

  /** The child of a node that stands for this segment; undefined: there is none. */
  literalOf(parent: PathNode<R>, literal: string): PathNode<R> | undefined {
    let node = this.find(hashIn(parent, literal));
    while (node !== undefined && !(node.parent === parent && node.segments.at(-1) === literal))
      node = node.twin;
    return node;
  }

  /** The first of the nodes, of any parent, whose segment has this hash; the others are its twins. */
  find(hash: number): PathNode<R> | undefined {
    const { slots } = this;
    const mask = slots.length - 2;
    for (let at = slotOf(hash) & mask; ; at = (at + 2) & mask) {
      const place = slots[at + 1] ?? -1;
      if (place < 0) return undefined;
      if (slots[at] === hash) return this.nodes[place];
    }
  }

  private node(parent: PathNode<R> | undefined, segment: string | undefined): PathNode<R> {
    const node = new PathNode<R>(this.nodes.length + 1, parent, segment);
    this.nodes.push(node);
    return node;
  }

  private put(node: PathNode<R>, hash: number): void {
    const twin = this.find(hash);
    if (twin !== undefined) {
      node.twin = twin.twin;
      twin.twin = node;
      return;
    }
    if ((this.used + 1) * 4 > this.slots.length) this.grow();
    insert(this.slots, hash, this.nodes.length - 1);
    this.used++;
  }

  private grow(): void {
    const before = this.slots;
    this.slots = new Int32Array(before.length * 2).fill(-1);
    for (let at = 0; at < before.length; at += 2) {
      const place = before[at + 1] ?? -1;
      if (place >= 0) insert(this.slots, before[at] ?? 0, place);
    }
  }
}

function insert(slots: Int32Array, hash: number, place: number): void {
  const mask = slots.length - 2;
  let at = slotOf(hash) & mask;
  while ((slots[at + 1] ?? -1) >= 0) at = (at + 2) & mask;
  slots[at] = hash;
  slots[at + 1] = place;
}

/** Mixes the high bits in, which depend on all characters. */
function slotOf(hash: number): number {
  return Math.imul(hash, 0x9e3779b1) >>> 12;
}

function hashIn({ seed }: PathNode<IndexedRoute>, literal: string): number {
  let hash = seed;
  for (let i = 0; i < literal.length; i++) hash = hashWith(hash, literal.charCodeAt(i));
  return hash;
}
