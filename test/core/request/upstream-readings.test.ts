// No upstream gets a request for a path past a matcher of that path: random requests against models of upstreams that
// decode, merge and cut in any order, some of them Node's own functions.
import { posix, win32 } from 'node:path';
import { unescape as unescapeQuery } from 'node:querystring';
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { compileMatcher } from '../../../core/request/compiled-matcher.ts';
import { Random } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { facts } from './facts.ts';

const test = suite('upstreams');

type Step = (path: string) => string;

/** A step that fails leaves the path as it is: that upstream refuses it. */
const attempt =
  (step: Step): Step =>
  path => {
    try {
      return step(path);
    } catch {
      return path;
    }
  };

const bytewise = (path: string): string =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));

const steps: Readonly<Record<string, Step>> = {
  bytewise,
  decodeURIComponent: attempt(decodeURIComponent),
  unescape: path => unescapeQuery(path),
  'new URL': attempt(path => (path.startsWith('/') ? new URL(path, 'http://origin.test').pathname : path)),
  'posix.normalize': path => posix.normalize(path),
  'win32.normalize': path => win32.normalize(path).replaceAll('\\', '/'),
  'join slashes': path =>
    path
      .split('/')
      .filter((part, i) => i === 0 || part !== '')
      .join('/'),
  'turn backslashes': path => path.split('\\').join('/'),
  'decode slashes': path => path.split(/%2f/i).join('/'),
  'decode backslashes': path => path.split(/%5c/i).join('\\'),
  'drop parameters': path =>
    path
      .split('/')
      .map(part => part.split(';')[0] ?? '')
      .join('/'),
  'cut at ;': path => path.split(';')[0] ?? '',
  'cut at NUL': path => path.split('\0')[0] ?? '',
  'cut at ?': path => path.split('?')[0] ?? '',
  'cut at #': path => path.split('#')[0] ?? '',
  'drop controls': path => [...path].filter(char => char >= ' ' && char !== '\x7f').join(''),
  trim: path => path.trimEnd(),
  // File names are looked up after their path is decoded.
  'Windows names': path =>
    path
      .replace(/%2e/gi, '.')
      .split('/')
      .map(part => (/^\.*$/.test(part) ? part : part.replace(/[. ]+$/, '')))
      .join('/'),
  lower: path => path.toLowerCase(),
  compatible: path => path.normalize('NFKC'),
};

const names = Object.keys(steps);

const pieces = [
  ...[
    '/',
    '//',
    '\\',
    '%2f',
    '%2F',
    '%5c',
    '%5C',
    '%252f',
    '%255c',
    '.',
    '..',
    './',
    '../',
    '/..',
    '/.',
    '%2e',
    '%2E',
  ],
  ...[
    '%2e%2e',
    '%252e',
    ';',
    ';a=b',
    '%3b',
    '%3B',
    '%00',
    '%2500',
    '%09',
    '%0a',
    '%20',
    '%2520',
    '%3f',
    '%23',
    '?',
    '#',
  ],
  ...[
    'x',
    'x/',
    '/x/',
    'login',
    '/login',
    'l',
    '%',
    '%2',
    '%zz',
    '%c0%af',
    '%c0%ae',
    '%ff',
    '%ef%bd%8c',
    '%25',
    ':',
  ],
];

const starts = [
  '/login',
  '/x/../login',
  '/login/',
  '/x/..%2flogin',
  '//h/login',
  '/login/y',
  '/a;b/..;c/login',
  '/x',
];

function encoded(char: string, random: Random): string {
  const hex = char.charCodeAt(0).toString(16).padStart(2, '0');
  return random.of([`%${hex}`, `%${hex.toUpperCase()}`, `%25${hex}`, char.toUpperCase()]);
}

function mutated(random: Random): string {
  let target = random.of(starts);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(target.length + 1);
    const replaced = random.below(2);
    const piece =
      random.below(3) > 0 ? random.of(pieces) : at < target.length ? encoded(target.charAt(at), random) : '/';
    target = target.slice(0, at) + piece + target.slice(at + replaced);
  }
  return target;
}

/** The path that a model's upstream serves: the steps are applied to the path before any raw `?`. */
function served(target: string, applied: readonly string[]): string {
  let path = target.split('?')[0] ?? '';
  for (const name of applied) path = steps[name]?.(path) ?? path;
  return path.toLowerCase();
}

function outcomeOf(
  matches: ReturnType<typeof compileMatcher>,
  target: string,
): 'match' | 'no match' | 'refused' {
  try {
    return matches(facts({ target })) ? 'match' : 'no match';
  } catch (thrown) {
    if (thrown instanceof WeldrError && thrown.code === 'BAD_REQUEST') return 'refused';
    throw thrown;
  }
}

test('serve no path to a request that a matcher for this path let through', () => {
  const exact = compileMatcher({ path: '/login' });
  const below = compileMatcher({ path: '/login/*' });
  const outside = compileMatcher({ not: { path: '/login/*' } });
  const random = new Random(8);
  const seen = { match: 0, 'no match': 0, refused: 0 };
  for (let n = 0; n < 8_000; n++) {
    const target = mutated(random);
    const outcomes = [
      outcomeOf(exact, target),
      outcomeOf(below, target),
      outcomeOf(outside, target),
    ] as const;
    seen[outcomes[0]]++;
    for (let model = 0; model < 20; model++) {
      const applied = Array.from({ length: random.below(7) }, () => random.of(names));
      const path = served(target, applied);
      const what = `${JSON.stringify(target)} by ${applied.join(', ')}`;
      if (/^\/login\/?$/.test(path)) assert.is.not(outcomes[0], 'no match', what);
      if (/^\/login(?:\/|$)/.test(path)) {
        assert.is.not(outcomes[1], 'no match', what);
        assert.is.not(outcomes[2], 'match', what);
      }
    }
  }
  // Each outcome must occur, or the test proves nothing.
  for (const count of Object.values(seen)) assert.ok(count > 50, JSON.stringify(seen));
});

test('get every request whose path is written as browsers write it', () => {
  const random = new Random(9);
  const matchers = ['/login', '/api/*', '/users/:id'].map(path => compileMatcher({ path }));
  const words = [
    'api',
    'users',
    'Straße',
    'a b',
    '日本',
    'x.y',
    '50%',
    'c++',
    'a&b=c',
    '(1)',
    '@me',
    '~u',
    'login',
  ];
  for (let n = 0; n < 5_000; n++) {
    const parts = Array.from({ length: 1 + random.below(5) }, () => encodeURIComponent(random.of(words)));
    const target = `/${parts.join('/')}${random.of(['', '/', '?q=//..', '?'])}`;
    for (const matches of matchers) assert.is.not(outcomeOf(matches, target), 'refused', target);
  }
});
