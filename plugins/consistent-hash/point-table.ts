// PointTable: sorted 32-bit points, each with the number of its owner, with a fast search for the first point at or after a key.

/** Entries of one page. */
const pageSize = 63;
/** The words of a page: the number of entries, the number of leading bits that these share, their points, then their owners. */
const pageShift = 7;
const countAt = 0;
const depthAt = 1;
const pointsAt = 2;
const ownersAt = pointsAt + pageSize;
/** Pages of one chunk of memory. */
const chunkShift = 10;
const chunkMask = (1 << chunkShift) - 1;
/** The most leading bits by which pages are told apart. */
const maxDepth = 20;

/**
 * Extendible hashing (Fagin and others, 1979) by the leading bits, which keeps the order: a directory leads to pages of 63
 * points, and a full page is divided, so that no change looks at more than a page or two. Within a page the points are spread
 * evenly, as hashes are, so the place of one can be estimated. A search touches few cache lines, which dominate its cost
 * among a million points.
 */
export class PointTable {
  /** The number of leading bits that index the directory. */
  private bits = 0;
  private directory = new Uint32Array(1);
  private readonly chunks: Uint32Array[] = [newChunk()];
  private pages = 1;
  private total = 0;
  /** The position of the search: in the directory, and in its page. */
  private place = 0;
  private at = 0;

  /** The number of points. */
  get size(): number {
    return this.total;
  }

  /**
   * Adds a point. `comesBefore` says whether the first of two owners of one point comes first. A point is left out if more
   * than 63 owners share its 20 leading bits, which does not happen with hashes.
   */
  add(point: number, owner: number, comesBefore: (one: number, other: number) => boolean): void {
    let page = this.pageOf(point);
    while (this.wordsOf(page)[wordOf(page) + countAt] === pageSize) {
      if (!this.divide(point, page)) return;
      page = this.pageOf(point);
    }
    const words = this.wordsOf(page);
    const first = wordOf(page);
    const count = words[first + countAt] ?? 0;
    let at = firstFrom(words, first, point);
    const ownerAt = (index: number): number => words[first + ownersAt + index] ?? 0;
    while (at < count && words[first + pointsAt + at] === point && comesBefore(ownerAt(at), owner)) at++;
    for (let n = count; n > at; n--) {
      words[first + pointsAt + n] = words[first + pointsAt + n - 1] ?? 0;
      words[first + ownersAt + n] = ownerAt(n - 1);
    }
    words[first + pointsAt + at] = point;
    words[first + ownersAt + at] = owner;
    words[first + countAt] = count + 1;
    this.total++;
  }

  /** Removes a point; does nothing if it is absent. */
  remove(point: number, owner: number): void {
    const page = this.pageOf(point);
    const words = this.wordsOf(page);
    const first = wordOf(page);
    const count = words[first + countAt] ?? 0;
    let at = firstFrom(words, first, point);
    const isPoint = (): boolean => at < count && words[first + pointsAt + at] === point;
    while (isPoint() && words[first + ownersAt + at] !== owner) at++;
    if (!isPoint()) return;
    for (let n = at; n < count - 1; n++) {
      words[first + pointsAt + n] = words[first + pointsAt + n + 1] ?? 0;
      words[first + ownersAt + n] = words[first + ownersAt + n + 1] ?? 0;
    }
    words[first + countAt] = count - 1;
    this.total--;
  }

  /** Returns the owner of the first point at or after `key`, wrapping around, and keeps the position; -1 if there is none. */
  seek(key: number): number {
    if (this.total === 0) return -1;
    const place = this.bits === 0 ? 0 : key >>> (32 - this.bits);
    const page = this.directory[place] ?? 0;
    const words = this.wordsOf(page);
    const first = wordOf(page);
    const at = firstFrom(words, first, key);
    this.place = place;
    this.at = at;
    if (at >= (words[first + countAt] ?? 0)) return this.next();
    this.at = at + 1;
    return words[first + ownersAt + at] ?? -1;
  }

  /** Returns the owner of the next point. The table must not be empty. */
  next(): number {
    for (;;) {
      const page = this.directory[this.place] ?? 0;
      const words = this.wordsOf(page);
      const first = wordOf(page);
      if (this.at < (words[first + countAt] ?? 0)) return words[first + ownersAt + this.at++] ?? -1;
      // Several entries in a row may lead to one page.
      const span = 1 << (this.bits - (words[first + depthAt] ?? 0));
      this.place = (this.place & -span) + span;
      if (this.place >= this.directory.length) this.place = 0;
      this.at = 0;
    }
  }

  private pageOf(point: number): number {
    return this.directory[this.bits === 0 ? 0 : point >>> (32 - this.bits)] ?? 0;
  }

  private wordsOf(page: number): Uint32Array {
    const words = this.chunks[page >>> chunkShift];
    if (words === undefined) throw new RangeError(`no such page: ${page}`);
    return words;
  }

  /** Splits a full page by one more bit. False: it is at the greatest depth. */
  private divide(point: number, page: number): boolean {
    const [words, first] = [this.wordsOf(page), wordOf(page)];
    const depth = words[first + depthAt] ?? 0;
    if (depth === maxDepth) return false;
    if (depth === this.bits) this.widen();
    const other = this.newPage();
    const [otherWords, otherFirst] = [this.wordsOf(other), wordOf(other)];
    const prefix = depth === 0 ? 0 : point >>> (32 - depth);
    // The first point of the upper half.
    const middle = (prefix * 2 + 1) * 2 ** (31 - depth);
    const kept = firstFrom(words, first, middle);
    const moved = pageSize - kept;
    for (let n = 0; n < moved; n++) {
      otherWords[otherFirst + pointsAt + n] = words[first + pointsAt + kept + n] ?? 0;
      otherWords[otherFirst + ownersAt + n] = words[first + ownersAt + kept + n] ?? 0;
    }
    words[first + countAt] = kept;
    words[first + depthAt] = depth + 1;
    otherWords[otherFirst + countAt] = moved;
    otherWords[otherFirst + depthAt] = depth + 1;
    const half = 1 << (this.bits - depth - 1);
    const upper = (prefix * 2 + 1) * half;
    this.directory.fill(other, upper, upper + half);
    return true;
  }

  /** Indexes the directory by one more bit. */
  private widen(): void {
    const { directory } = this;
    this.directory = new Uint32Array(directory.length * 2);
    for (const [n, page] of directory.entries()) this.directory.fill(page, 2 * n, 2 * n + 2);
    this.bits++;
  }

  private newPage(): number {
    const page = this.pages++;
    if (page >>> chunkShift === this.chunks.length) this.chunks.push(newChunk());
    return page;
  }
}

const newChunk = (): Uint32Array => new Uint32Array(1 << (chunkShift + pageShift));

const wordOf = (page: number): number => (page & chunkMask) << pageShift;

/** The index of the first point at or after `key` within a page. */
function firstFrom(words: Uint32Array, first: number, key: number): number {
  const count = words[first + countAt] ?? 0;
  const fraction = ((key << (words[first + depthAt] ?? 0)) >>> 0) / 2 ** 32;
  const points = first + pointsAt;
  let at = Math.floor(fraction * count);
  while (at < count && (words[points + at] ?? 0) < key) at++;
  while (at > 0 && (words[points + at - 1] ?? 0) >= key) at--;
  return at;
}
