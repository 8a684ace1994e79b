// The index of routes while they come and go, against a newly built one and a naive model.
import { serialize } from 'node:v8';
import * as assert from 'uvu/assert';
import { RequestFacts } from '../../../core/request/request-facts.ts';
import { context } from '../../../core/testing.ts';
import { behindList, type IndexedRoute, type RouteEntry } from '../../../plugins/routes/route-entry.ts';
import { RouteIndex } from '../../../plugins/routes/route-index.ts';
import { RouteShadows } from '../../../plugins/routes/route-shadows.ts';
import { Random } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { type ModelRoute, optionsOf, type Placed, randomContext, randomRoute, rulesOf } from './model.ts';

const test = suite('changes of routes');

/** Routes that come and go: names, each at a place in its list or after it. */
class Changes {
  readonly routes = new Map<string, Placed>();
  private readonly random: Random;
  private readonly names: number;
  private readonly priorities: number;

  constructor(random: Random, { names, priorities }: { names: number; priorities: number }) {
    this.random = random;
    this.names = names;
    this.priorities = priorities;
  }

  /** One change: the route that is added, undefined when it is removed. */
  next(): { name: string; route: ModelRoute | undefined; place: number } {
    const { random } = this;
    const number = random.below(this.names);
    const name = `r${number}`;
    // After the list, the name decides.
    const place = number % 3 === 0 ? behindList : number;
    const made = { ...randomRoute(random, name), priority: random.below(this.priorities) };
    const route = random.below(3) === 0 ? undefined : made;
    if (route === undefined) this.routes.delete(name);
    else this.routes.set(name, { route, place });
    return { name, route, place };
  }

  /** The present routes, in no order. */
  get all(): Placed[] {
    return [...this.routes.values()];
  }
}

const written = (entry: RouteEntry | undefined): string =>
  JSON.stringify([
    entry?.host,
    entry?.path,
    String(entry?.path.kind === 'expression' && entry.path.expression),
  ]);

function shadowsOf(shadows: RouteShadows, names: Iterable<string>): string[] {
  return [...names].flatMap(name =>
    shadows
      .of(name)
      .map(({ entry, by, whole }) => `${name} ${written(entry)} by ${by}, ${whole ? 'all' : 'some'}`),
  );
}

test('leave an index that chooses like a newly built one, and like a walk through all routes in order', () => {
  let found = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const random = new Random(seed);
    const changes = new Changes(random, { names: seed % 2 === 0 ? 12 : 60, priorities: 1 + (seed % 3) });
    const index = new RouteIndex<ModelRoute>();
    for (let round = 0; round < 40; round++) {
      for (let n = random.below(6); n >= 0; n--) {
        const { name, route, place } = changes.next();
        index.set(name, route, place);
      }
      const rules = rulesOf(changes.all);
      const fresh = new RouteIndex<ModelRoute>();
      for (const { route, place } of changes.all.toReversed()) fresh.set(route.name, route, place);
      const among = JSON.stringify(changes.all);
      for (let n = 0; n < 16; n++) {
        const ctx = randomContext(random);
        const facts = RequestFacts.of(ctx);
        const expected = rules.find(rule => rule.matches(facts))?.route;
        const { host, target, method } = ctx.request;
        const why = `seed ${seed}: ${method} ${host}${target} among ${among}`;
        const chosen = index.choose(ctx);
        assert.is(chosen?.route.name, expected?.name, why);
        const other = fresh.choose(ctx);
        assert.is(written(chosen), written(other), why);
        if (chosen !== undefined) found++;
      }
    }
    assert.is(index.size, changes.routes.size);
  }
  assert.ok(found > 2000, `${found} requests took a route`);
});

/** Of these two only. */
function shadowsOther(one: Placed, other: Placed): boolean {
  const both = new RouteShadows();
  for (const { route, place } of [one, other]) both.set(route.name, optionsOf(route), place);
  return both.of(other.route.name).length > 0;
}

test('leave the same shadows as a new check of all routes, and find those under a route', () => {
  let found = 0;
  for (let seed = 101; seed <= 105; seed++) {
    const random = new Random(seed);
    const changes = new Changes(random, { names: 40, priorities: 4 });
    const shadows = new RouteShadows();
    for (let round = 0; round < 60; round++) {
      const { name, route, place } = changes.next();
      shadows.set(name, route === undefined ? undefined : optionsOf(route), place);
      const fresh = new RouteShadows();
      for (const each of changes.all) fresh.set(each.route.name, optionsOf(each.route), each.place);
      const names = [...changes.routes.keys()];
      assert.equal(shadowsOf(shadows, names), shadowsOf(fresh, names), `seed ${seed}`);
    }
    for (const one of changes.all) {
      const others = changes.all.filter(other => other !== one && shadowsOther(one, other));
      const names = others.map(({ route }) => route.name).sort();
      assert.equal(shadows.under(one.route.name).sort(), names, `seed ${seed}: under ${one.route.name}`);
      found += names.length;
    }
  }
  assert.ok(found > 30, `${found} routes were under another one`);
});

const route = (name: string, host: string, path: string): IndexedRoute => ({
  name,
  priority: 0,
  hosts: [host],
  paths: [path],
  conditions: 0,
  holds: undefined,
});

test('leave nothing behind of removed hosts, segments, expressions and priorities', () => {
  const index = new RouteIndex<IndexedRoute>();
  const random = new Random(7);
  const empty = serialize(index).length;
  for (let n = 0; n < 1000; n++) {
    const { holds: _, ...plain } = randomRoute(random, `r${n}`);
    index.set(plain.name, { ...plain, priority: n % 50, holds: undefined });
    index.set(`own${n}`, route(`own${n}`, `${n % 3 === 0 ? '*.' : ''}h${n}.test`, `/a${n}/:id/${n}/*`));
    index.set(`~${n}`, route(`~${n}`, `~^h${n}`, `~/${n}$`));
  }
  assert.ok(serialize(index).length > 300_000);
  for (let n = 0; n < 1000; n++) for (const name of [`r${n}`, `own${n}`, `~${n}`]) index.set(name, undefined);
  assert.is(index.size, 0);
  assert.ok(serialize(index).length < empty + 64, `${serialize(index).length} bytes in place of ${empty}`);
});

test('put a wide host between a host and a wider one, and take it out', () => {
  const index = new RouteIndex([route('name', 'x.a.test', '/only'), route('wide', '*.test', '/*')]);
  const chosen = () => index.choose(context({ host: 'x.a.test', target: '/other' }))?.route.name;
  assert.is(chosen(), 'wide');
  index.set('between', route('between', '*.a.test', '/*'));
  assert.is(chosen(), 'between');
  index.set('between', undefined);
  assert.is(chosen(), 'wide');
});

test('keep the index unchanged when a route cannot be added', () => {
  const index = new RouteIndex([route('a', 'a.test', '/*')]);
  assert.throws(() => index.set('a', route('a', 'a.test', '~(')));
  assert.is(index.choose(context({ host: 'a.test', target: '/x' }))?.route.name, 'a');
});
