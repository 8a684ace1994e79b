// A validator of JSON schemas (draft 2020-12) for the keywords that Weldr's schemas use; any other one is an error.
import { isDeepStrictEqual } from 'node:util';

type Schema = Readonly<Record<string, unknown>>;

/** Keywords without effect on validity; `format` may have one, but seldom has in editors. */
const annotations: ReadonlySet<string> = new Set([
  '$schema',
  '$defs',
  'components',
  'title',
  'description',
  'default',
  'examples',
  'format',
]);

/** Returns the problems of a value, a line each; none: the value is valid. */
export function problemsOf(root: object, value: unknown): string[] {
  return [...new Validation(root).problems(root, value, '')];
}

class Validation {
  private readonly root: object;

  constructor(root: object) {
    this.root = root;
  }

  *problems(schema: unknown, value: unknown, at: string): Generator<string> {
    for (const [keyword, argument] of Object.entries(asSchema(schema))) {
      if (annotations.has(keyword)) continue;
      const check = keywords[keyword];
      if (check === undefined) throw new Error(`the validator does not know ${keyword}, at ${at}`);
      for (const problem of check.call(this, argument, value, at, asSchema(schema))) yield problem;
    }
  }

  takes(schema: unknown, value: unknown): boolean {
    return this.problems(schema, value, '').next().done === true;
  }

  resolve(reference: unknown): unknown {
    let found: unknown = this.root;
    for (const part of String(reference).split('/').slice(1)) found = asSchema(found)[part];
    return found;
  }
}

type Check = (
  this: Validation,
  argument: unknown,
  value: unknown,
  at: string,
  schema: Schema,
) => Iterable<string>;

const isObject = (value: unknown): value is Record<string, unknown> => typeOf(value) === 'object';

const size = (value: unknown): number => (isObject(value) ? Object.keys(value).length : Number.NaN);

/** Returns a check of a number of a value, such as its length, for values of the keyword's type. */
const compare =
  (
    numberOf: (value: unknown) => number,
    isWrong: (number: number, limit: number) => boolean,
    word: string,
  ): Check =>
  (argument, value, at) => {
    const number = numberOf(value);
    return isWrong(number, Number(argument)) ? [`${at}: ${number} is ${word} ${argument}`] : [];
  };

const itself = (value: unknown): number => (typeof value === 'number' ? value : Number.NaN);
const length = (value: unknown): number => (typeof value === 'string' ? value.length : Number.NaN);
const count = (value: unknown): number => (Array.isArray(value) ? value.length : Number.NaN);
const under = (number: number, limit: number): boolean => number < limit;
const over = (number: number, limit: number): boolean => number > limit;

const keywords: Readonly<Record<string, Check>> = {
  $ref(argument, value, at) {
    return this.problems(this.resolve(argument), value, at);
  },
  type(argument, value, at) {
    const types: readonly unknown[] = Array.isArray(argument) ? argument : [argument];
    const type = typeOf(value);
    const fits = types.includes(type) || (type === 'integer' && types.includes('number'));
    return fits ? [] : [`${at}: ${type} is not ${types.join(' or ')}`];
  },
  enum: (argument, value, at) => (asList(argument).includes(value) ? [] : [`${at}: not one of ${argument}`]),
  const: (argument, value, at) => (isDeepStrictEqual(argument, value) ? [] : [`${at}: not ${argument}`]),
  anyOf(argument, value, at) {
    return asList(argument).some(schema => this.takes(schema, value)) ? [] : [`${at}: none of the choices`];
  },
  oneOf(argument, value, at) {
    const taken = asList(argument).filter(schema => this.takes(schema, value)).length;
    return taken === 1 ? [] : [`${at}: ${taken} of the choices`];
  },
  not(argument, value, at) {
    return this.takes(argument, value) ? [`${at}: what it must not be`] : [];
  },
  if(argument, value, at, schema) {
    const branch = this.takes(argument, value) ? schema['then'] : schema['else'];
    return branch === undefined ? [] : this.problems(branch, value, at);
  },
  // biome-ignore lint/suspicious/noThenProperty: the word of JSON schema; `if` reads it
  then: () => [],
  else: () => [],
  *properties(argument, value, at) {
    if (!isObject(value)) return;
    for (const [key, schema] of Object.entries(asSchema(argument))) {
      if (Object.hasOwn(value, key)) yield* this.problems(schema, value[key], `${at}.${key}`);
    }
  },
  *required(argument, value, at) {
    if (!isObject(value)) return;
    for (const key of asList(argument)) {
      if (!Object.hasOwn(value, String(key))) yield `${at}: ${key} is missing`;
    }
  },
  *additionalProperties(argument, value, at, schema) {
    if (!isObject(value)) return;
    for (const [key, inner] of Object.entries(value)) {
      if (Object.hasOwn(asSchema(schema['properties'] ?? {}), key)) continue;
      if (argument === false) yield `${at}.${key}: unknown`;
      else yield* this.problems(argument, inner, `${at}.${key}`);
    }
  },
  *propertyNames(argument, value, at) {
    if (!isObject(value)) return;
    for (const key of Object.keys(value)) yield* this.problems(argument, key, `${at}.${key} (its name)`);
  },
  *items(argument, value, at) {
    if (!Array.isArray(value)) return;
    for (const [index, item] of value.entries()) yield* this.problems(argument, item, `${at}[${index}]`);
  },
  pattern: (argument, value, at) =>
    typeof value !== 'string' || new RegExp(String(argument), 'u').test(value)
      ? []
      : [`${at}: does not match ${argument}`],
  minProperties: compare(size, under, 'under'),
  maxProperties: compare(size, over, 'over'),
  minItems: compare(count, under, 'under'),
  maxItems: compare(count, over, 'over'),
  minLength: compare(length, under, 'under'),
  maxLength: compare(length, over, 'over'),
  minimum: compare(itself, under, 'under'),
  maximum: compare(itself, over, 'over'),
  exclusiveMinimum: compare(itself, (number, limit) => number <= limit, 'not over'),
};

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function asSchema(value: unknown): Schema {
  if (isObject(value)) return value;
  throw new Error(`no schema: ${JSON.stringify(value)}`);
}

function asList(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new Error(`no list: ${JSON.stringify(value)}`);
}
