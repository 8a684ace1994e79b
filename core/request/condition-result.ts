// The result of a condition in code: true or false, and nothing that needs guessing.
import { types } from 'node:util';

/**
 * The result of a function which says whether a request is meant. Throws a TypeError with the function's name for
 * anything but a boolean: a promise is not waited for, and would count as true.
 */
export function conditionResult(result: unknown, condition: string): boolean {
  if (typeof result === 'boolean') return result;
  let what = result === undefined ? 'nothing' : result === null ? 'null' : `a value of type ${typeof result}`;
  if (types.isPromise(result)) {
    result.catch(() => {});
    what = 'a promise, which is not waited for';
  }
  throw new TypeError(`the condition ${condition} returned ${what}; expected true or false`);
}
