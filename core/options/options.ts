// Parses what people write (plugin options, config, admin input), with messages that name the field.
import { inspect } from 'node:util';
import { z } from 'zod';
import { nearest } from '../errors/nearest.ts';
import { WeldrError } from '../errors.ts';

/**
 * Parses `input` with a zod schema. Throws `code` (CONFIG_INVALID by default) with every problem, the first one's
 * path in `field`; `where` is put before the paths, such as `servers[0]`.
 */
export function parse<T extends z.ZodType>(
  schema: T,
  input: unknown,
  code: 'CONFIG_INVALID' | 'INPUT_INVALID' = 'CONFIG_INVALID',
  where = '',
): z.output<T> {
  // A config is parsed once: compiling a parser takes longer than parsing it.
  const jitless = code === 'CONFIG_INVALID';
  const result = schema.safeParse(input, { reportInput: true, error: hints, jitless });
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap(issue => describeIssue(issue, where));
  throw new WeldrError(code, problems.map(p => p.text).join('\n'), { field: problems[0]?.path ?? where });
}

const noSuchOption = 'there is no such option';

/** Suggests the keys that were probably meant for unknown ones, while the schema is known. */
function hints(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
  return issue.keys.map(key => withHint(key, known)).join('\n');
}

function withHint(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near === undefined ? noSuchOption : `${noSuchOption}; did you mean ${near}?`;
}

interface Problem {
  readonly path: string;
  readonly text: string;
}

function describeIssue(issue: z.core.$ZodIssue, where: string): Problem[] {
  const path = joinPath(where, issue.path);
  const at = (p: string, message: string): Problem => ({
    path: p,
    text: p === '' ? message : `${p}: ${message}`,
  });
  if (issue.code === 'unrecognized_keys') {
    // One line per key, from `hints`.
    const lines = issue.message.split('\n');
    return issue.keys.map((key, i) => at(joinPath(path, [key]), lines[i] ?? noSuchOption));
  }
  if (issue.code === 'invalid_type') {
    const got = `expected ${kindOf(issue.expected)}, got ${showInput(issue.input)}`;
    return [at(path, `${got}${remedyOf(issue.expected, issue.input)}`)];
  }
  if (issue.code === 'invalid_union' && issue.message === noMessage) {
    const meant = issue.errors.find(issues => issues.some(isWithin));
    if (meant !== undefined) return meant.flatMap(inner => describeIssue(inner, path));
    const kinds = issue.errors
      .flat()
      .flatMap(inner => (inner.code === 'invalid_type' ? kindOf(inner.expected) : []));
    if (kinds.length > 0) return [at(path, `expected ${kinds.join(' or ')}, got ${showInput(issue.input)}`)];
  }
  if (issue.code === 'invalid_key') {
    const why = issue.issues.map(({ message }) => message).join('; ');
    return [at(path, `the name is wrong: ${why}`)];
  }
  return [at(path, boundText(issue) ?? issue.message)];
}

/** How the value that was probably meant is written, for the end of a message. */
function remedyOf(expected: string, input: unknown): string {
  if (typeof input !== 'string' || input.length > maxShown) return '';
  if (expected === 'array') return `; write [${JSON.stringify(input)}]`;
  const isNumber = expected === 'number' || expected === 'int';
  return isNumber && /^-?\d+(?:\.\d+)?$/.test(input) ? `; write ${input} without quotes` : '';
}

/** Terms of zod that people who write configs do not use. */
const kinds: Readonly<Record<string, string>> = { int: 'a whole number', record: 'object' };

function kindOf(expected: string): string {
  return kinds[expected] ?? expected;
}

/** Zod's issue about a bound or a choice, in plain words; undefined: another issue, or one with its own message. */
function boundText(issue: z.core.$ZodIssue): string | undefined {
  const got = `got ${showInput(issue.input)}`;
  if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid ')) {
    const choices = issue.values.map(value => showInput(value));
    return `expected ${choices.length === 1 ? '' : 'one of '}${choices.join(', ')}, ${got}`;
  }
  if (issue.code === 'too_small' && issue.message.startsWith('Too small')) {
    return `expected ${amount('at least', Number(issue.minimum), issue.origin)}, ${got}`;
  }
  if (issue.code === 'too_big' && issue.message.startsWith('Too big')) {
    return `expected ${amount('at most', Number(issue.maximum), issue.origin)}, ${got}`;
  }
  return undefined;
}

const units: Readonly<Record<string, string>> = {
  string: 'characters',
  array: 'entries',
  set: 'entries',
  record: 'entries',
};

function amount(bound: 'at least' | 'at most', value: number, origin: string): string {
  const unit = units[origin];
  return unit === undefined ? `a number of ${bound} ${value}` : `${bound} ${value} ${unit}`;
}

/** The message for a union without its own. */
const noMessage = 'Invalid input';

/** Returns whether an issue is about a part of the input. If so, that option of a union was meant, because its kind was right. */
function isWithin({ code, path }: z.core.$ZodIssue): boolean {
  return code === 'unrecognized_keys' || path.length > 0;
}

/** The most characters shown of a text. */
const maxShown = 200;

/** Any input, shortened for a message. */
export function showInput(input: unknown): string {
  if (input === undefined) return 'nothing';
  if (typeof input === 'string') {
    return input.length <= maxShown ? JSON.stringify(input) : `${JSON.stringify(input.slice(0, maxShown))}…`;
  }
  return inspect(input, { depth: 1, breakLength: Number.POSITIVE_INFINITY, maxArrayLength: 10 });
}

function joinPath(where: string, path: readonly PropertyKey[]): string {
  let joined = where;
  for (const key of path) {
    if (typeof key === 'number') joined += `[${key}]`;
    else joined += joined === '' ? String(key) : `.${String(key)}`;
  }
  return joined;
}
