// PointTable: numbers of 32 bits in order, each with an owner's number, so that the first one from a key on is near at hand.

/** Entries of one page. */
const pageSize = 64;
/** A page in words: its points, then their owners. */
const pageShift = 7;
/** Pages of one chunk of memory. */
const chunkShift = 10;
const chunkMask = (1 << chunkShift) - 1;
/** The deepest that pages are told apart by the leading bits of their points. */
const maxDepth = 20;

/**
 * Extendible hashing (Fagin and others, 1979) by the leading bits, which keeps the order: a directory leads to pages of 64 points, and one that
 * is full is divided, so that no change looks at more than a page or two. Within a page points lie evenly, as hashes do: where
 * one is can be guessed. A search touches few lines of memory, which is what it costs among a million points.
 */
export class PointTable {
  /** The number of bits that the directory goes by. */
  private bits = 0;
  private directory = new Uint32Array(1);
  private readonly chunks: Uint32Array[] = [new Uint32Array(1 << (chunkShift + pageShift))];
  /** Entries of each page, and the number of bits that these have in common. */
  private counts = new Uint8Array(1 << chunkShift);
  private depths = new Uint8Array(1 << chunkShift);
  private pages = 1;
  private total = 0;
  /** Where the search has come to: in the directory, and in its page. */
  private place = 0;
  private at = 0;

  /** How many points there are. */
  get size(): number {
    return this.total;
  }

  /**
   * Puts a point in. `comesBefore`: of two owners of one point, does the first come first? It is left out where more than 64 owners
   * share its 20 leading bits, which those of hashes do not.
   */
  add(point: number, owner: number, comesBefore: (one: number, other: number) => boolean): void {
    let page = this.pageOf(point);
    while (this.counts[page] === pageSize) {
      if (!this.divide(point >>> 0, page)) return;
      page = this.pageOf(point);
    }
    const words = this.wordsOf(page);
    const first = wordOf(page);
    const count = this.counts[page] ?? 0;
    let at = this.firstFrom(words, first, page, point);
    const ownerAt = (index: number): number => words[first + pageSize + index] ?? 0;
    while (at < count && words[first + at] === point && comesBefore(ownerAt(at), owner)) at++;
    for (let n = count; n > at; n--) {
      words[first + n] = words[first + n - 1] ?? 0;
      words[first + pageSize + n] = ownerAt(n - 1);
    }
    words[first + at] = point;
    words[first + pageSize + at] = owner;
    this.counts[page] = count + 1;
    this.total++;
  }

  /** Takes a point out; nothing happens where it is not there. */
  remove(point: number, owner: number): void {
    const page = this.pageOf(point);
    const words = this.wordsOf(page);
    const first = wordOf(page);
    const count = this.counts[page] ?? 0;
    let at = this.firstFrom(words, first, page, point);
    while (at < count && words[first + at] === point && words[first + pageSize + at] !== owner) at++;
    if (at === count || words[first + at] !== point) return;
    for (let n = at; n < count - 1; n++) {
      words[first + n] = words[first + n + 1] ?? 0;
      words[first + pageSize + n] = words[first + pageSize + n + 1] ?? 0;
    }
    this.counts[page] = count - 1;
    this.total--;
  }

  /** The owner of the first point from `key` on, going round; where the search has come to is kept. -1: there is none. */
  seek(key: number): number {
    if (this.total === 0) return -1;
    const page = this.pageOf(key);
    this.place = this.bits === 0 ? 0 : key >>> (32 - this.bits);
    this.at = this.firstFrom(this.wordsOf(page), wordOf(page), page, key);
    return this.next();
  }

  /** The owner of the next point. There has to be one. */
  next(): number {
    let page = this.directory[this.place] ?? 0;
    while (this.at >= (this.counts[page] ?? 0)) {
      // Several places in a row may lead to one page.
      const span = 1 << (this.bits - (this.depths[page] ?? 0));
      this.place = (this.place & -span) + span;
      if (this.place >= this.directory.length) this.place = 0;
      this.at = 0;
      page = this.directory[this.place] ?? 0;
    }
    return this.wordsOf(page)[wordOf(page) + pageSize + this.at++] ?? -1;
  }

  private pageOf(point: number): number {
    return this.directory[this.bits === 0 ? 0 : point >>> (32 - this.bits)] ?? 0;
  }

  private wordsOf(page: number): Uint32Array {
    const words = this.chunks[page >>> chunkShift];
    if (words === undefined) throw new RangeError(`a page that is not there: ${page}`);
    return words;
  }

  /** The index of the first point from `key` on within a page. */
  private firstFrom(words: Uint32Array, first: number, page: number, key: number): number {
    const count = this.counts[page] ?? 0;
    const fraction = ((key << (this.depths[page] ?? 0)) >>> 0) / 2 ** 32;
    let at = Math.floor(fraction * count);
    while (at < count && (words[first + at] ?? 0) < key) at++;
    while (at > 0 && (words[first + at - 1] ?? 0) >= key) at--;
    return at;
  }

  /** Divides a full page by one more bit. False: it is as deep as may be. */
  private divide(point: number, page: number): boolean {
    const depth = this.depths[page] ?? 0;
    if (depth === maxDepth) return false;
    if (depth === this.bits) this.widen();
    const other = this.newPage();
    const [words, first] = [this.wordsOf(page), wordOf(page)];
    const [otherWords, otherFirst] = [this.wordsOf(other), wordOf(other)];
    const prefix = depth === 0 ? 0 : point >>> (32 - depth);
    // The first point of the upper half.
    const middle = (prefix * 2 + 1) * 2 ** (31 - depth);
    const kept = this.firstFrom(words, first, page, middle);
    const moved = pageSize - kept;
    for (let n = 0; n < moved; n++) {
      otherWords[otherFirst + n] = words[first + kept + n] ?? 0;
      otherWords[otherFirst + pageSize + n] = words[first + pageSize + kept + n] ?? 0;
    }
    this.counts[page] = kept;
    this.counts[other] = moved;
    this.depths[page] = depth + 1;
    this.depths[other] = depth + 1;
    const half = 1 << (this.bits - depth - 1);
    const upper = (prefix * 2 + 1) * half;
    this.directory.fill(other, upper, upper + half);
    return true;
  }

  /** Has the directory go by one more bit. */
  private widen(): void {
    const { directory } = this;
    this.directory = new Uint32Array(directory.length * 2);
    for (const [n, page] of directory.entries()) this.directory.fill(page, 2 * n, 2 * n + 2);
    this.bits++;
  }

  private newPage(): number {
    const page = this.pages++;
    if (page >>> chunkShift === this.chunks.length) {
      this.chunks.push(new Uint32Array(1 << (chunkShift + pageShift)));
      this.counts = longer(this.counts);
      this.depths = longer(this.depths);
    }
    return page;
  }
}

const wordOf = (page: number): number => (page & chunkMask) << pageShift;

/** Room for one more chunk's pages. */
function longer(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const made = new Uint8Array(bytes.length + (1 << chunkShift));
  made.set(bytes);
  return made;
}
