// Huffman: the code of HPACK's strings (RFC 7541 section 5.2 and appendix B), as tables.

/**
 * The octets by the length of their codes, in the order of the codes. The code is canonical, so this defines it completely.
 * The last one of 30 bits is EOS.
 */
const octetsByBits: readonly (readonly [bits: number, octets: readonly number[]])[] = [
  [5, [48, 49, 50, 97, 99, 101, 105, 111, 115, 116]],
  [
    6,
    [
      32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100, 102, 103, 104, 108, 109, 110, 112,
      114, 117,
    ],
  ],
  [
    7,
    [
      58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 89, 106,
      107, 113, 118, 119, 120, 121, 122,
    ],
  ],
  [8, [38, 42, 44, 59, 88, 90]],
  [10, [33, 34, 40, 41, 63]],
  [11, [39, 43, 124]],
  [12, [35, 62]],
  [13, [0, 36, 64, 91, 93, 126]],
  [14, [94, 125]],
  [15, [60, 96, 123]],
  [19, [92, 195, 208]],
  [20, [128, 130, 131, 162, 184, 194, 224, 226]],
  [21, [153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230]],
  [
    22,
    [
      129, 132, 133, 134, 136, 146, 154, 156, 160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190,
      196, 198, 228, 232, 233,
    ],
  ],
  [
    23,
    [
      1, 135, 137, 138, 139, 140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175,
      180, 182, 183, 188, 191, 197, 231, 239,
    ],
  ],
  [24, [9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237]],
  [25, [199, 207, 234, 235]],
  [26, [192, 193, 200, 201, 202, 205, 210, 213, 218, 219, 238, 240, 242, 243, 255]],
  [27, [203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248, 250, 251, 252, 253, 254]],
  [
    28,
    [
      2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29, 30, 31, 127,
      220, 249,
    ],
  ],
  [30, [10, 13, 22, 256]],
];

const eos = 256;
const codes = new Uint32Array(257);
const codeBits = new Uint8Array(257);

function assignCodes(): void {
  let code = 0;
  let before = 0;
  for (const [bits, octets] of octetsByBits) {
    code *= 2 ** (bits - before);
    before = bits;
    for (const octet of octets) {
      codes[octet] = code++;
      codeBits[octet] = bits;
    }
  }
}

/** The code's tree, two numbers per node: the child nodes for 0 and 1, or `-1 - octet` for a leaf. Node 0 is the root. */
const tree = new Int16Array(2 * 256);

function growTree(): void {
  let nodes = 1;
  for (let octet = 0; octet <= eos; octet++) {
    const code = codes[octet] ?? 0;
    let node = 0;
    for (let bit = (codeBits[octet] ?? 0) - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >>> bit) & 1);
      if (tree[at] === 0) tree[at] = nodes++;
      node = tree[at] ?? 0;
    }
    tree[2 * node + (code & 1)] = -1 - octet;
  }
}

/** The states in which the input may end: after fewer than 8 bits, all ones, of EOS. */
const mayEnd = new Uint8Array(256);

function markEnds(): void {
  for (let node = 0, depth = 0; depth < 8; depth++) {
    mayEnd[node] = 1;
    node = tree[2 * node + 1] ?? 0;
  }
}

assignCodes();
growTree();
markEnds();

/** Marks a transition for invalid input. */
const failing = 1 << 18;
/**
 * By state, which is a node of the tree, and input byte: octets (16 bits), their count (2), next state (8). Each is computed on
 * first use, because computing all of them would double the time of a start. 0 means that it has not been computed.
 */
const transitions = new Uint32Array(256 * 256);

function makeTransition(at: number): number {
  let node = at >>> 8;
  let octets = 0;
  let count = 0;
  for (let bit = 7; bit >= 0; bit--) {
    const next = tree[2 * node + ((at >>> bit) & 1)] ?? 0;
    if (next === -1 - eos) {
      transitions[at] = failing;
      return failing;
    }
    if (next < 0) octets |= (-1 - next) << (8 * count++);
    node = Math.max(next, 0);
  }
  const made = ((node << 24) | (count << 16) | octets) >>> 0;
  transitions[at] = made;
  return made;
}

/** The size of the buffer that is kept, bytes. A longer string gets its own. */
const keptBytes = 16 * 1024;
const kept = Buffer.allocUnsafeSlow(keptBytes);

/**
 * Decodes `block[start, end)` to a latin1 string; undefined if it is malformed: if it contains EOS, or its padding has more
 * than 7 bits or zeros.
 */
export function decodeHuffman(block: Buffer, start: number, end: number): string | undefined {
  // No byte ends more than two codes.
  const room = 2 * (end - start);
  const octets = room <= keptBytes ? kept : Buffer.allocUnsafe(room);
  let state = 0;
  let length = 0;
  for (let pos = start; pos < end; pos++) {
    const at = (state << 8) | (block[pos] ?? 0);
    const step = transitions[at] || makeTransition(at);
    if ((step & failing) !== 0) return undefined;
    octets[length] = step;
    octets[length + 1] = step >>> 8;
    length += (step >>> 16) & 3;
    state = step >>> 24;
  }
  return mayEnd[state] === 1 ? octets.toString('latin1', 0, length) : undefined;
}

/** Returns the length of `text` when encoded, bytes; -1 if it has characters beyond latin1. */
export function huffmanLength(text: string): number {
  let bits = 7;
  let characters = 0;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    characters |= character;
    bits += codeBits[character & 0xff] ?? 0;
  }
  return characters > 0xff ? -1 : bits >>> 3;
}

/** Encodes `text` (latin1) to `into` from `at` on, in {@link huffmanLength} bytes. Returns the index after it. */
export function encodeHuffman(text: string, into: Buffer, at: number): number {
  let pos = at;
  // The last `waiting` bits of `bits` are not written yet: fewer than 8 after each character.
  let bits = 0;
  let waiting = 0;
  for (let i = 0; i < text.length; i++) {
    const octet = text.charCodeAt(i) & 0xff;
    let length = codeBits[octet] ?? 0;
    const code = codes[octet] ?? 0;
    if (length > 24) {
      // Together with the waiting bits it might exceed 32 bits, so its first part is written separately.
      length -= 8;
      bits = (bits << 8) | (code >>> length);
      into[pos++] = bits >>> waiting;
    }
    bits = (bits << length) | (code & (2 ** length - 1));
    waiting += length;
    while (waiting >= 8) {
      waiting -= 8;
      into[pos++] = bits >>> waiting;
    }
  }
  if (waiting > 0) into[pos++] = (bits << (8 - waiting)) | (0xff >>> waiting);
  return pos;
}
