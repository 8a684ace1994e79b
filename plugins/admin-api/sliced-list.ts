// SlicedList: makes the text of a long answer bit by bit, so that the manager does its other work in between.

/** How long it works until others have their turn, ms. */
const sliceTime = 5;

/**
 * The items as JSON, with commas between them. `textOf` is called for one after the other while time passes: what is gone by
 * then has no text.
 */
export async function inSlices<Item>(
  items: readonly Item[],
  textOf: (item: Item) => string | undefined,
): Promise<string> {
  const texts: string[] = [];
  let until = performance.now() + sliceTime;
  for (const item of items) {
    const text = textOf(item);
    if (text !== undefined) texts.push(text);
    if (performance.now() < until) continue;
    await new Promise(resolve => setImmediate(resolve));
    until = performance.now() + sliceTime;
  }
  return texts.join();
}
