// A request takes a route only when all servers of other projects read its path as one of that route.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { isTarget } from '../../../core/grammar/request-line.ts';
import { compilePattern } from '../../../core/request/path-pattern.ts';
import { context } from '../../../core/testing.ts';
import type { IndexedRoute } from '../../../plugins/routes/route-entry.ts';
import { RouteIndex } from '../../../plugins/routes/route-index.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { servedPaths } from '../../wire/support/path-servers.ts';

const test = suite('readings of a path');

const pieces = [
  ...[
    '/',
    '/',
    '/',
    'api',
    'api',
    'admin',
    'users',
    '7',
    'x',
    '..',
    '.',
    ';a=b',
    '%2f',
    '%2F',
    '%5c',
    '%2e',
    '%2E',
  ],
  ...['%61', '%00', '%25', '%252e', '%252f', '%20', '%3b', '%3f', '%23', '%2', '*', 'API', '.x', '..;'],
];

/** From the narrowest to the widest. */
const paths = ['/users/admin', '/users/:id', '/admin', '/api/admin/*', '/api/*'];

const routes = paths.map(
  (path): IndexedRoute => ({
    name: path,
    priority: 0,
    hosts: [],
    paths: [path],
    conditions: 0,
    holds: undefined,
  }),
);

/** The route for a path that a server has read already. */
function routeFor(path: string): string | undefined {
  // Nothing in it is encoded any more, and nothing must be decoded again.
  const text = path.replace(/[^\x21-\x7e]|[%"#<>?\\;]/g, char => encodeURIComponent(char));
  return paths.find(pattern => compilePattern(pattern).matches(text, text.length));
}

test('differ in no request that takes a route', () => {
  const index = new RouteIndex(routes);
  const random = randomOf(4711);
  let taken = 0;
  let refused = 0;
  for (let round = 0; round < 6_000; round++) {
    const count = 1 + random(7);
    const target = `/${Array.from({ length: count }, () => pieces[random(pieces.length)]).join('')}`;
    if (!isTarget(target)) continue;
    let name: string | undefined;
    try {
      name = index.choose(context({ target }))?.route.name;
    } catch (thrown) {
      assert.ok(thrown instanceof WeldrError && thrown.code === 'BAD_REQUEST', String(thrown));
      refused++;
      continue;
    }
    if (name !== undefined) taken++;
    for (const path of servedPaths(target)) assert.is(routeFor(path), name, `${target} is read as ${path}`);
  }
  assert.ok(taken > 100 && refused > 200, `${taken} took a route, ${refused} were refused`);
});
