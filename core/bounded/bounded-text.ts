// BoundedText: reads a body whole, unless it is too long.

/** Resolves with a body as UTF-8 text; undefined: it has more than `most` bytes, and the rest is not read. */
export async function boundedText(body: AsyncIterable<Buffer>, most: number): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of body) {
    length += part.length;
    if (length > most) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
