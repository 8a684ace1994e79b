// Compiled matchers: a matcher as a function over a request's facts, compiled once, when a config is read.
import { WeldrError } from '../errors.ts';
import { NetworkSet } from '../network/network.ts';
import { parse } from '../options/options.ts';
import { conditionResult } from './condition-result.ts';
import { folded } from './field-aliases.ts';
import { HostPattern } from './host-pattern.ts';
import {
  describeMatcher,
  type Matcher,
  type MatcherOptions,
  type MatchFacts,
  matcherLevel,
} from './matcher.ts';
import { hasCookie, hasParameter } from './named-values.ts';
import type { RequestPath } from './path.ts';
import { compilePattern, maxForRegExp, type PathPattern } from './path-pattern.ts';

/**
 * The readings of a path for which a part of a matcher holds, one bit each; the normal form has the lowest. `all` has the
 * bits of all readings. A part that does not look at the path holds for all or none.
 */
type Test<Facts> = (facts: Facts, all: number) => number;

/** For a plain path, and for requests whose path is not looked at. */
const oneReading = 1;

/** For a path that cannot be judged: two readings that never agree. */
const unreadable = 0b11;

/**
 * Compiles a matcher. The function returns whether a request matches; it throws BAD_REQUEST when that depends on how an
 * upstream reads the path, such as `/public/..%2flogin` for `{ path: '/login' }`, and a TypeError when a function in the
 * matcher returns anything but true or false, such as a promise. It allocates nothing while paths are plain and no
 * `query`, `cookie` or RegExp is used.
 *
 * @param where prefix for the paths of options in messages, such as `when`
 * @throws WeldrError CONFIG_INVALID for an invalid matcher, with one sentence for each mistake
 * @example const isLogin = compileMatcher({ path: '/login', method: 'POST' }); // isLogin(facts)
 */
export function compileMatcher<Facts extends MatchFacts>(
  matcher: Matcher<Facts>,
  where = '',
): (facts: Facts) => boolean {
  const test = compile(matcher, where);
  if (!looksAtPath(matcher)) return facts => test(facts, oneReading) !== 0;
  return facts => {
    const { path } = facts;
    const all = path.plainEnd >= 0 ? oneReading : readingsOf(path);
    const held = test(facts, all);
    if (held === 0) return false;
    if (held === all) return true;
    throw ambiguous(matcher, path, held);
  };
}

function looksAtPath<Facts extends MatchFacts>(matcher: Matcher<Facts>): boolean {
  if (typeof matcher === 'function') return false;
  const { path, not, any } = matcher;
  return path !== undefined || (not !== undefined && looksAtPath(not)) || any?.some(looksAtPath) === true;
}

function readingsOf(path: RequestPath): number {
  return path.problem === undefined ? 2 ** path.readings.length - 1 : unreadable;
}

function ambiguous<Facts extends MatchFacts>(
  matcher: Matcher<Facts>,
  path: RequestPath,
  held: number,
): WeldrError {
  const { normal, readings, problem } = path;
  const other = readings.findIndex((_, i) => ((held >> i) & 1) !== (held & 1));
  const why = problem ?? `some read it as ${quote(normal)}, some as ${quote(readings[other] ?? '')}`;
  const detail = `the path ${quote(path.text)} is ambiguous for ${describeMatcher(matcher)}: ${why}`;
  return new WeldrError('BAD_REQUEST', detail);
}

/** A path for a message, cut to a useful length. */
function quote(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path);
}

function compile<Facts extends MatchFacts>(matcher: Matcher<Facts>, where: string): Test<Facts> {
  if (typeof matcher === 'function') {
    const name = matcher.name || 'function';
    return (facts, all) => (conditionResult(matcher(facts), name) ? all : 0);
  }
  parse(matcherLevel, matcher, 'CONFIG_INVALID', where);
  const tests = [...simpleTests(matcher)];
  const { not, any, path } = matcher;
  if (path !== undefined) tests.push(pathTest(list(path)));
  const at = (key: string) => (where === '' ? key : `${where}.${key}`);
  if (not !== undefined) {
    const inner = compile(not, at('not'));
    tests.push((facts, all) => all & ~inner(facts, all));
  }
  if (any !== undefined) tests.push(anyOf(any.map((each, i) => compile(each, at(`any[${i}]`)))));
  const [only] = tests;
  return tests.length === 1 && only !== undefined ? only : allOf(tests);
}

function allOf<Facts>(tests: readonly Test<Facts>[]): Test<Facts> {
  return (facts, all) => {
    let held = all;
    for (let i = 0; i < tests.length && held !== 0; i++) held &= tests[i]?.(facts, all) ?? 0;
    return held;
  };
}

function anyOf<Facts>(tests: readonly Test<Facts>[]): Test<Facts> {
  return (facts, all) => {
    let held = 0;
    for (let i = 0; i < tests.length && held !== all; i++) held |= tests[i]?.(facts, all) ?? 0;
    return held;
  };
}

function list<T>(value: T | readonly T[]): readonly T[] {
  return isList(value) ? value : [value];
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

/** The keys that do not look at the path, cheap ones first. */
function* simpleTests<Facts extends MatchFacts>(options: MatcherOptions<Facts>): Generator<Test<Facts>> {
  const { method, scheme, listener, host, clientIp, header, query, cookie } = options;
  if (method !== undefined) yield methodTest(list(method));
  if (scheme !== undefined) yield oneOf(list(scheme), facts => facts.scheme);
  if (listener !== undefined) yield oneOf(list(listener), facts => facts.listener);
  if (host !== undefined) yield hostTest(list(host));
  if (clientIp !== undefined) {
    const networks = new NetworkSet(list(clientIp));
    yield ({ clientIp: ip }, all) => (networks.has(ip) ? all : 0);
  }
  yield* byName(
    header,
    ({ headers }, name, accepted) => {
      if (!headers.hasSpellingOf(name)) return false;
      if (accepted === undefined) return true;
      const first = headers.get(name);
      if (first !== undefined && accepted.includes(first)) return true;
      return headers.valuesOfSpellings(name).some(value => accepted.includes(value));
    },
    folded,
  );
  yield* byName(query, ({ path }, name, accepted) => hasParameter(path.query, name, accepted));
  yield* byName(cookie, ({ headers }, name, accepted) =>
    headers.getAll('cookie').some(line => hasCookie(line, name, accepted)),
  );
}

function oneOf<Facts>(values: readonly string[], factOf: (facts: Facts) => string): Test<Facts> {
  return (facts, all) => (values.includes(factOf(facts)) ? all : 0);
}

function methodTest<Facts extends MatchFacts>(methods: readonly string[]): Test<Facts> {
  const upper = methods.map(method => method.toUpperCase());
  return ({ method }, all) =>
    upper.includes(method) || (/[a-z]/.test(method) && upper.includes(method.toUpperCase())) ? all : 0;
}

function hostTest<Facts extends MatchFacts>(hosts: readonly string[]): Test<Facts> {
  const patterns = hosts.map(host => new HostPattern(host));
  return ({ host }, all) => {
    for (let i = 0; i < patterns.length; i++) if (patterns[i]?.matches(host)) return all;
    return 0;
  };
}

/** Returns whether a field of this name has one of these values (undefined: any). */
type Has = (facts: MatchFacts, name: string, accepted: readonly string[] | undefined) => boolean;

function* byName<Facts extends MatchFacts>(
  names: MatcherOptions['header'],
  has: Has,
  nameOf = (written: string): string => written,
): Generator<Test<Facts>> {
  for (const [written, wanted] of Object.entries(names ?? {})) {
    const name = nameOf(written);
    if (wanted === false) yield (facts, all) => (has(facts, name, undefined) ? 0 : all);
    else {
      const accepted = wanted === true ? undefined : list(wanted);
      yield (facts, all) => (has(facts, name, accepted) ? all : 0);
    }
  }
}

function pathTest<Facts extends MatchFacts>(paths: readonly (string | RegExp)[]): Test<Facts> {
  const patterns = paths.map(compilePattern);
  const hasRegExp = paths.some(path => path instanceof RegExp);
  return ({ path }, all) => {
    const end = path.plainEnd;
    if (hasRegExp) checkLength(path);
    if (end >= 0) return matchesOne(patterns, path.text, end) ? all : 0;
    // Readings that never agree: the result depends on this path.
    if (path.problem !== undefined) return oneReading;
    let held = 0;
    for (const [i, reading] of path.readings.entries()) {
      if (matchesOne(patterns, reading, reading.length)) held |= 1 << i;
    }
    return held;
  };
}

function checkLength(path: RequestPath): void {
  if (path.text.length <= maxForRegExp || path.normal.length <= maxForRegExp) return;
  throw new WeldrError(
    'BAD_REQUEST',
    `the path ${quote(path.text)} is longer than the ${maxForRegExp} characters that a regular expression is tried on`,
  );
}

function matchesOne(patterns: readonly PathPattern[], text: string, end: number): boolean {
  for (let i = 0; i < patterns.length; i++) if (patterns[i]?.matches(text, end)) return true;
  return false;
}
