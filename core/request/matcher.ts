// Matcher: selects requests, for `when`, routes and filters.
import { z } from 'zod';
import { peer } from '../network/network.ts';
import { showInput } from '../options/options.ts';
import { type HeaderList, isToken } from './headers.ts';
import { hostProblem } from './host-pattern.ts';
import type { RequestPath } from './path.ts';
import { patternProblem } from './path-pattern.ts';

/** The parts of a request that matchers look at, as the client sent it. */
export interface MatchFacts {
  readonly method: string;
  /** Host and port of the request; empty when it names none. */
  readonly host: string;
  readonly path: RequestPath;
  readonly headers: HeaderList;
  /** Without brackets. */
  readonly clientIp: string;
  readonly scheme: string;
  /** The name of the listener that accepted the connection. */
  readonly listener: string;
}

type OneOrMore<T> = T | readonly T[];

/** Values of a field by its name: any of these; `true`: present; `false`: absent. */
type ByName = Readonly<Record<string, OneOrMore<string> | boolean>>;

/** A matcher. All keys must match, and any element of an array. */
export interface MatcherOptions<Facts extends MatchFacts = MatchFacts> {
  /**
   * `/login` (and `/login/`), `/api/*` (`/api` and all below it), `/users/:id` (one segment), without regard to case;
   * or a RegExp, tried on the path in normal form, whose flags decide about case.
   */
  readonly path?: OneOrMore<string | RegExp> | undefined;
  /** In any case: some upstreams take `post` for POST. */
  readonly method?: OneOrMore<string> | undefined;
  /** `shop.example`, `*.shop.example` (any name below it) or `[::1]`: no port, in any case. */
  readonly host?: OneOrMore<string> | undefined;
  /**
   * By header name, in any case; of several lines, any may match. `X-Role` also means `X_Role` and `X.Role`, because some
   * servers read them as one field (RFC 3875 section 4.1.18). Values are compared exactly.
   */
  readonly header?: ByName | undefined;
  /** By parameter name, decoded; of several, any may match. Names and values are compared exactly. */
  readonly query?: ByName | undefined;
  /** By cookie name; of several, any may match. Names and values are compared exactly. */
  readonly cookie?: ByName | undefined;
  /** Addresses and networks, such as `10.0.0.0/8`. */
  readonly clientIp?: OneOrMore<string> | undefined;
  readonly scheme?: OneOrMore<'http' | 'https'> | undefined;
  /** Names of listeners. */
  readonly listener?: OneOrMore<string> | undefined;
  /** Must not match. */
  readonly not?: Matcher<Facts> | undefined;
  /** At least one of these matches. */
  readonly any?: readonly Matcher<Facts>[] | undefined;
}

/** Selects requests: by options, or by a function that returns a boolean and is called at most once per request. */
export type Matcher<Facts extends MatchFacts = MatchFacts> =
  | MatcherOptions<Facts>
  | ((facts: Facts) => boolean);

/** The most elements of a list. */
const maxValues = 1000;

const emptyList = 'an empty list would match nothing: name something, or leave the key out';
const longList = `a list has over ${maxValues} elements: use several matchers under "any"`;

/** The schema of one or more strings, whose message names the first wrong one. */
export function oneOrMore(problemOf: (value: unknown) => string | undefined) {
  const item = z
    .string({ error: ({ input }) => listProblem(input, problemOf) })
    .refine(value => problemOf(value) === undefined, {
      error: ({ input }) => listProblem(input, problemOf),
      abort: true,
    });
  return z.union([item, z.array(item).min(1, emptyList).max(maxValues, longList)], {
    error: ({ input }) => listProblem(input, problemOf),
  });
}

/** The mistake in a value or a list of values, as `problemOf` finds it for one. */
export function listProblem(input: unknown, problemOf: (value: unknown) => string | undefined): string {
  if (!Array.isArray(input)) return problemOf(input) ?? `expected text, got ${showInput(input)}`;
  if (input.length === 0) return emptyList;
  if (input.length > maxValues) return longList;
  for (const value of input) {
    const problem = problemOf(value);
    if (problem !== undefined) return problem;
  }
  return 'expected a list of texts';
}

const textProblem = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? undefined : `expected text, got ${showInput(value)}`;

const jsonPathProblem = (value: unknown): string | undefined =>
  value instanceof RegExp
    ? 'a regular expression needs a config file in TypeScript or JavaScript: write a path such as "/api/*"'
    : patternProblem(value);

function methodProblem(value: unknown): string | undefined {
  if (typeof value === 'string' && isToken(value)) return undefined;
  return `expected a method such as "GET", got ${showInput(value)}`;
}

function networkProblem(value: unknown): string | undefined {
  const result = peer.safeParse(value);
  return result.success
    ? undefined
    : `expected an address, a network such as "10.0.0.0/8" or "unix:", got ${showInput(value)}`;
}

function byName(nameProblem: (name: string) => string | undefined) {
  const firstProblem = (names: object): string | undefined => {
    const keys = Object.keys(names);
    if (keys.length === 0) return 'no name is given: give one, or leave the key out';
    return keys.map(nameProblem).find(problem => problem !== undefined);
  };
  const values = z.union(
    [z.boolean(), z.string(), z.array(z.string()).min(1, emptyList).max(maxValues, longList)],
    {
      error: ({ input }) => `expected a value, a list of values, true or false, got ${showInput(input)}`,
    },
  );
  return z.record(z.string(), values).superRefine((names, context) => {
    const message = firstProblem(names);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

const tokenName = (name: string): string | undefined =>
  isToken(name)
    ? undefined
    : `${JSON.stringify(name)} is not a name that can be sent: use letters, digits and -`;
const anyName = (name: string): string | undefined =>
  name === '' ? 'a name is empty: give one such as "page"' : undefined;

const scheme = z.enum(['http', 'https']);

/** The schemas of the keys of a matcher that neither look at the path nor hold matchers. */
export const plainKeys = {
  method: oneOrMore(methodProblem).optional().describe('The method, in any case, such as `POST`.'),
  host: oneOrMore(hostProblem)
    .optional()
    .describe('The host that the client asked for, without port: `shop.example`, `*.shop.example`.'),
  header: byName(tokenName)
    .optional()
    .describe(
      'Values of header fields by name (`X-Role` also means `X_Role`); `true`: present; `false`: absent.',
    ),
  query: byName(anyName).optional().describe('Values of query parameters by name, or `true`, or `false`.'),
  cookie: byName(tokenName).optional().describe('Values of cookies by name, or `true`, or `false`.'),
  clientIp: oneOrMore(networkProblem)
    .optional()
    .describe('Addresses and networks of clients, such as `10.0.0.0/8`.'),
  scheme: z
    .union([scheme, z.array(scheme).min(1).max(2)], {
      error: ({ input }) => `expected "http" or "https", got ${showInput(input)}`,
    })
    .optional()
    .describe('How the client spoke to Weldr, or to the trusted proxy in front of it.'),
  listener: oneOrMore(textProblem).optional().describe('Names of listeners.'),
};

const isNotEmpty = (matcher: object): boolean => Object.values(matcher).some(value => value !== undefined);
const emptyProblem = 'an empty matcher would match every request: name a path, a method or another key';

/** A matcher as JSON and YAML can hold it. */
export interface MatcherJson extends Omit<MatcherOptions, 'path' | 'not' | 'any'> {
  readonly path?: OneOrMore<string> | undefined;
  readonly not?: MatcherJson | undefined;
  readonly any?: readonly MatcherJson[] | undefined;
}

/** The schema of {@link MatcherJson}. */
export const matcherSchema: z.ZodType<MatcherJson> = z
  .strictObject({
    path: oneOrMore(jsonPathProblem)
      .optional()
      .describe('`/login` (and `/login/`), `/api/*` (`/api` and all below it), `/users/:id` (one segment).'),
    ...plainKeys,
    get not() {
      return matcherSchema.optional().describe('Must not match.');
    },
    get any() {
      return z
        .array(matcherSchema)
        .min(1, emptyList)
        .max(maxValues, longList)
        .optional()
        .describe('At least one of these matches.');
    },
  })
  .refine(isNotEmpty, emptyProblem)
  .meta({ id: 'matcher', minProperties: 1 });

const codePath = z.custom<string | RegExp>(value => patternProblem(value) === undefined);

/** The schema of one level of {@link MatcherOptions}, which may hold code; what is in `not` and `any` is left open. */
export const matcherLevel = z
  .strictObject({
    path: z
      .union([codePath, z.array(codePath).min(1, emptyList).max(maxValues, longList)], {
        error: ({ input }) => listProblem(input, patternProblem),
      })
      .optional(),
    ...plainKeys,
    not: z.unknown().optional(),
    any: z.array(z.unknown()).min(1, emptyList).max(maxValues, longList).optional(),
  })
  .refine(isNotEmpty, emptyProblem);

/**
 * A matcher in one line, for names and messages. Keys come in one order, however they were written.
 *
 * @example describeMatcher({ method: 'POST', path: '/login' }) // 'path=/login method=POST'
 */
export function describeMatcher<Facts extends MatchFacts>(matcher: Matcher<Facts>): string {
  if (typeof matcher === 'function') return matcher.name === '' ? 'function' : `function ${matcher.name}`;
  const parts: string[] = [];
  const { path, method, host, header, query, cookie, clientIp, not, any } = matcher;
  const add = (key: string, value: OneOrMore<string | RegExp> | boolean | undefined): void => {
    if (value !== undefined) parts.push(`${key}=${describeValue(value)}`);
  };
  const addNames = (key: string, names: ByName | undefined): void => {
    for (const name of Object.keys(names ?? {}).sort()) add(`${key}.${name}`, names?.[name]);
  };
  add('path', path);
  add('method', method);
  add('host', host);
  addNames('header', header);
  addNames('query', query);
  addNames('cookie', cookie);
  add('clientIp', clientIp);
  add('scheme', matcher.scheme);
  add('listener', matcher.listener);
  if (not !== undefined) parts.push(`not(${describeMatcher(not)})`);
  if (any !== undefined) parts.push(`any(${any.map(each => describeMatcher(each)).join(', ')})`);
  return parts.join(' ');
}

function describeValue(value: OneOrMore<string | RegExp> | boolean): string {
  if (typeof value === 'string') return /^[^\s"|(),]+$/.test(value) ? value : JSON.stringify(value);
  if (typeof value === 'boolean' || value instanceof RegExp) return String(value);
  return value.map(describeValue).join('|');
}
