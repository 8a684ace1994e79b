// SlicedList: builds the JSON of a long list in slices, so that the manager does its other work in between.
import { WeldrError } from '../../core/errors.ts';
import type { AdminAnswer } from '../../core/plugin/admin.ts';

/** The most work in one turn of the event loop, ms. */
const sliceTime = 5;
/** Lists that may wait while one is built: as many as there may be connections. */
const maxWaiting = 64;

let waiting = 0;
let last: Promise<unknown> = Promise.resolve();

/**
 * Builds one list at a time, so that no more than one long text is under way. Rejects with what `build` throws, and with
 * OVERLOADED when too many wait.
 */
export async function oneAtATime(build: () => Promise<AdminAnswer>): Promise<AdminAnswer> {
  if (waiting >= maxWaiting)
    throw new WeldrError('OVERLOADED', 'too many lists are being built; try again in a moment');
  waiting++;
  const turn = last.then(build).finally(() => waiting--);
  last = turn.catch(() => {});
  return await turn;
}

/**
 * Resolves with the answer that holds a list: `{ [name]: […], ...rest }`. `resourceOf` is called for one item after another
 * while time passes; an item that is gone by then has no resource and is left out.
 */
export async function listAnswer<Item>(
  name: string,
  items: readonly Item[],
  resourceOf: (item: Item) => object | undefined,
  rest: object,
): Promise<AdminAnswer> {
  const list = await inSlices(items, item => {
    const resource = resourceOf(item);
    return resource === undefined ? undefined : JSON.stringify(resource);
  });
  const body = `{${JSON.stringify(name)}:[${list}],${JSON.stringify(rest).slice(1)}\n`;
  return { status: 200, contentType: 'application/json', body };
}

/** Resolves with the items as JSON, separated by commas. Items for which `textOf` returns undefined are left out. */
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
