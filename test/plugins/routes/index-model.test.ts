// The index of routes against a naive model: all routes in order, each tried as matchers are.
import * as assert from 'uvu/assert';
import { RequestFacts } from '../../../core/request/request-facts.ts';
import { RouteIndex } from '../../../plugins/routes/route-index.ts';
import { Random } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { randomContext, randomRoute, rulesOf } from './model.ts';

const test = suite('the index of routes');

test('takes the route that a walk through all of them in order would take', () => {
  const random = new Random(20_261_130);
  let found = 0;
  for (let round = 0; round < 200; round++) {
    const routes = Array.from({ length: 1 + random.below(40) }, (_, n) => randomRoute(random, `r${n}`));
    const rules = rulesOf(routes.map((route, place) => ({ route, place })));
    const index = new RouteIndex(routes);
    const among = JSON.stringify(routes);
    for (let n = 0; n < 25; n++) {
      const ctx = randomContext(random);
      const facts = RequestFacts.of(ctx);
      const expected = rules.find(rule => rule.matches(facts));
      if (expected !== undefined) found++;
      const { host, target, method } = ctx.request;
      const why = `${method} ${host}${target} among ${among}`;
      assert.is(index.choose(ctx)?.route.name, expected?.route.name, why);
    }
  }
  assert.ok(found > 1000, `${found} requests took a route`);
});
