// The result of a condition in code: true or false, and nothing that needs guessing.
import { types } from 'node:util';

/**
 * Returns the result of a condition in code. Throws a TypeError that names the condition for anything but a boolean: a
 * promise is not awaited, and would count as true.
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
