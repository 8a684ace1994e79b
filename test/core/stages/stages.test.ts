// Stages: which plugins a request meets, and in which order, by scope, condition and role; and taps that can never run.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import type { ChildPlugins, Plugin, WorkerSide } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import { createHooks, type RequestHooks } from '../../../core/stages/request-hooks.ts';
import type { Condition, Role } from '../../../core/stages/scope.ts';
import { type TestWorkerSide, workerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';

function plugin(name: string, tap: (hooks: RequestHooks, side: WorkerSide) => void, role?: Role): Plugin {
  return { name, role, worker: side => tap(side.hooks, side) };
}

/** A plugin within a `when`. */
function when(name: string, condition: Condition, ...plugins: readonly (Plugin | string)[]): Plugin {
  return { name: `when-${name}`, children: [{ scope: { kind: 'when', name, condition }, plugins }] };
}

/** A plugin of routes: all requests take the route into this pool. */
function routeTo(name: string, pool: string, ...plugins: readonly Plugin[]): Plugin {
  const children: ChildPlugins[] = [{ scope: { kind: 'route', name }, plugins }];
  return {
    name: `to-${name}`,
    children,
    worker({ hooks, pools, route }) {
      const made = route(name, pools.ensure(pool));
      hooks.route.tap('routes', () => made);
    },
  };
}

const isPath =
  (path: string): Condition =>
  ctx =>
    ctx.request.target === path;

const firstRole = (name: string, seen: string[]): Plugin =>
  plugin(
    name,
    hooks =>
      hooks.selectUpstream.tap(name, ctx => {
        seen.push(name);
        return ctx.pool.available.find(upstream => !ctx.tried.includes(upstream));
      }),
    'balancer',
  );

/** A plugin that records its name in each stage. */
function noting(name: string, seen: string[]): Plugin {
  return plugin(name, hooks => {
    const note = (stage: string) => (): undefined => {
      seen.push(`${stage} ${name}`);
    };
    hooks.request.tap(name, note('request'));
    hooks.selectUpstream.tap(name, note('select'));
    hooks.eligible.tap(name, note('eligible'));
    hooks.preProxy.tap(name, note('pre'));
    hooks.judge.tap(name, note('judge'));
    hooks.postProxy.tap(name, note('post'));
    hooks.respond.tap(name, note('respond'));
    hooks.attemptFinished.tap(name, note('attempt'));
    hooks.finished.tap(name, note('finished'));
  });
}

const upstreams = { default: ['http://d:1'], blue: ['http://b:1'], green: ['http://g:1'] };

const order = suite('scopes');

order('run request from the outside in, and everything after it from the inside out', async () => {
  const seen: string[] = [];
  const side = await workerSide(
    [noting('config', seen), routeTo('r', 'blue', noting('route', seen)), firstRole('balancer', [])],
    { upstreams, pools: { blue: [noting('pool', seen)] } },
  );
  const result = await side.run();
  assert.equal([result.status, result.pool.name, result.route], [200, 'blue', 'r']);
  const stages = ['select', 'eligible', 'pre', 'judge', 'post', 'respond', 'attempt', 'finished'];
  assert.equal(seen, [
    ...['config', 'route', 'pool'].map(name => `request ${name}`),
    ...stages.flatMap(stage => ['pool', 'route', 'config'].map(name => `${stage} ${name}`)),
  ]);
});

order('see the requests of their own pool and route only', async () => {
  const seen: string[] = [];
  const side = await workerSide(
    [
      plugin('by-path', (hooks, { pools }) =>
        hooks.route.tap('by-path', ctx => pools.get(ctx.request.target.slice(1))),
      ),
      firstRole('balancer', []),
    ],
    { upstreams, pools: { blue: [noting('of-blue', seen)] } },
  );
  assert.is((await side.run({ target: '/green' })).pool.name, 'green');
  assert.equal(seen, []);
  await side.run({ target: '/blue' });
  assert.is(seen.length, 9);
});

order('admit a request to a pool, or a fallback, at its first entry only', async () => {
  const seen: string[] = [];
  const admission = (name: string): Plugin =>
    plugin(name, hooks => hooks.request.tap(name, ctx => void seen.push(`${name} of ${ctx.pool.name}`)));
  const side = await workerSide(
    [
      plugin('ping-pong', hooks =>
        hooks.judge.tap('ping-pong', ctx => {
          if (ctx.attempts.length > 4) return undefined;
          return retry({ pool: ctx.pool.name === 'blue' ? 'default' : 'blue' });
        }),
      ),
      plugin('any', hooks => hooks.selectUpstream.tap('any', ctx => ctx.pool.available[0])),
    ],
    { upstreams, pools: { default: [admission('one')], blue: [admission('two')] } },
  );
  const result = await side.run();
  assert.is(result.attempts.length, 5);
  assert.equal(seen, ['one of default', 'two of blue']);
});

order('refuse a request on entry to a pool or route, before anything is sent', async () => {
  const no = plugin('no', hooks => hooks.request.tap('no', () => reply(401)));
  for (const [plugins, pools] of [
    [[routeTo('r', 'blue', no)], {}],
    [[routeTo('r', 'blue')], { blue: [no] }],
  ] as const) {
    const result = await (await workerSide(plugins, { upstreams, pools })).run();
    assert.equal([result.status, result.sent.length], [401, 0]);
  }
});

order('show a refused request to the config’s own plugins alone', async () => {
  const seen: string[] = [];
  const side = await workerSide(
    [noting('config', seen), plugin('no', hooks => hooks.request.tap('no', () => reply(401)))],
    { upstreams, pools: { default: [noting('pool', seen)] } },
  );
  await side.run();
  assert.equal(seen, ['request config', 'respond config', 'finished config']);
});

const conditions = suite('conditions');

conditions('let a plugin see the requests that match them and the conditions around', async () => {
  const seen: string[] = [];
  const inner = when('b', ctx => ctx.request.method === 'PUT', noting('inner', seen));
  const side = await workerSide(
    [when('a', isPath('/a'), inner, noting('outer', seen)), firstRole('balancer', [])],
    { upstreams },
  );
  const names = async (method: string, target: string): Promise<Set<string>> => {
    seen.length = 0;
    assert.is((await side.run({ method, target })).status, 200);
    return new Set(seen.map(line => line.split(' ')[1] ?? ''));
  };
  assert.equal([...(await names('GET', '/b'))], []);
  assert.equal([...(await names('PUT', '/b'))], []);
  assert.equal([...(await names('GET', '/a'))], ['outer']);
  assert.equal([...(await names('PUT', '/a'))], ['inner', 'outer']);
});

conditions('apply to asynchronous taps of both kinds', async () => {
  const side = await workerSide(
    [
      when(
        'a',
        isPath('/a'),
        plugin('promise', hooks => hooks.request.tapPromise('promise', async () => reply(401))),
      ),
      when(
        'b',
        isPath('/b'),
        plugin('callback', hooks => hooks.request.tapAsync('callback', (_, done) => done(null, reply(402)))),
      ),
    ],
    { upstreams },
  );
  for (const [target, status] of [
    ['/', 200],
    ['/a', 401],
    ['/b', 402],
  ] as const) {
    assert.is((await side.run({ target })).status, status);
  }
});

for (const [kind, tap] of [
  ['tap', (hooks: RequestHooks) => hooks.request.tap('x', () => undefined)],
  ['tapPromise', (hooks: RequestHooks) => hooks.request.tapPromise('x', async () => undefined)],
  ['tapAsync', (hooks: RequestHooks) => hooks.request.tapAsync('x', (_, done) => done())],
] as const) {
  conditions(`that throw fail the request, with plugin and stage (${kind})`, async () => {
    for (const thrown of [new Error('no luck'), undefined]) {
      const broken = (): boolean => {
        throw thrown;
      };
      const side = await workerSide([when('x', broken, plugin('within', tap))], { upstreams });
      const { status, error } = await side.run();
      assert.is(status, 500);
      assert.match(error?.message ?? '', /^plugin when:x\/within in request: /);
    }
  });
}

conditions('refuse an ambiguous request, and let taps that only look see it', async () => {
  const seen: string[] = [];
  const ambiguous = (): boolean => {
    throw new WeldrError('BAD_REQUEST', 'ambiguous');
  };
  const side = await workerSide([when('x', ambiguous, noting('within', seen))], { upstreams });
  assert.is((await side.run()).status, 400);
  assert.equal(seen, ['respond within', 'finished within']);
});

const roles = suite('roles');

roles('let the innermost plugin replace those further out', async () => {
  const seen: string[] = [];
  const side = await workerSide(
    [
      plugin('by-path', (hooks, { pools }) =>
        hooks.route.tap('by-path', ctx => pools.get(ctx.request.target.slice(1))),
      ),
      firstRole('of-config', seen),
    ],
    { upstreams, pools: { blue: [firstRole('of-blue', seen)] } },
  );
  await side.run({ target: '/blue' });
  await side.run({ target: '/green' });
  assert.equal(seen, ['of-blue', 'of-config']);
  side.pools.get('blue')?.delete('http://b:1');
  const result = await side.run({ target: '/blue' });
  assert.is(result.status, 503, 'the outer one is not asked where the inner one chose nothing');
});

roles('are optional: plugins without one add up', async () => {
  const seen: string[] = [];
  const side = await workerSide([noting('one', seen), noting('two', seen), firstRole('balancer', [])], {
    upstreams,
    pools: { default: [noting('three', seen)] },
  });
  await side.run();
  assert.equal(
    seen.filter(line => line.startsWith('judge')),
    ['judge three', 'judge one', 'judge two'],
  );
});

roles('are replaced by a plugin within a when for the requests that match it', async () => {
  const seen: string[] = [];
  const side = await workerSide(
    [
      when('a', isPath('/a'), firstRole('of-a', seen)),
      when('b', isPath('/b'), firstRole('of-b', seen)),
      firstRole('of-all', seen),
    ],
    { upstreams },
  );
  for (const target of ['/a', '/b', '/c']) assert.is((await side.run({ target })).status, 200);
  assert.equal(seen, ['of-a', 'of-b', 'of-all']);
});

roles('replace a retry too: only the inner one runs', async () => {
  const again = (name: string, seen: string[]): Plugin =>
    plugin(
      name,
      hooks =>
        hooks.judge.tap(name, () => {
          seen.push(name);
          return undefined;
        }),
      'retry',
    );
  const seen: string[] = [];
  const side = await workerSide([again('outer', seen)], {
    upstreams,
    pools: { default: [again('inner', seen)] },
  });
  await side.run();
  assert.equal(seen, ['inner']);
});

const before = suite('before');

const tapBefore = (name: string, wanted: string | string[], seen: string[]): Plugin =>
  plugin(name, hooks =>
    hooks.selectUpstream.tap({ name, before: wanted } as { name: string; before: string }, () => {
      seen.push(name);
      return undefined;
    }),
  );

before('puts a tap before one of another plugin, wherever that is', async () => {
  for (const sort of [1, -1]) {
    const seen: string[] = [];
    const plugins = [firstRole('balancer', seen), tapBefore('sticky', 'balancer', seen)];
    const side = await workerSide(sort === 1 ? plugins : plugins.reverse(), { upstreams });
    await side.run();
    assert.equal(seen, ['sticky', 'balancer']);
  }
});

before('keeps the order of taps that must precede the same one', async () => {
  const seen: string[] = [];
  const side = await workerSide(
    [tapBefore('one', 'balancer', seen), firstRole('balancer', seen), tapBefore('two', ['balancer'], seen)],
    { upstreams },
  );
  await side.run();
  assert.equal(seen, ['one', 'two', 'balancer']);
});

before('fails the start when it names a tap that does not exist', async () => {
  const start = workerSide([tapBefore('lost', 'nobody', []), firstRole('balancer', [])], { upstreams });
  assert.match(
    (await rejectionOf(start)).message,
    'plugin lost in selectUpstream: must run before nobody, which has no tap there',
  );
});

before('may name a tap that an inner plugin replaces for some requests', async () => {
  const seen: string[] = [];
  const side = await workerSide([tapBefore('sticky', 'balancer', seen), firstRole('balancer', seen)], {
    upstreams,
    pools: { default: [firstRole('of-pool', seen)] },
  });
  await side.run();
  assert.equal(seen, ['of-pool']);
});

const late = suite('taps at run time');

/** A side whose plugin can be tapped later. */
async function tappable(): Promise<{ side: TestWorkerSide; hooks: RequestHooks; ofPool: RequestHooks }> {
  let hooks: RequestHooks | undefined;
  let ofPool: RequestHooks | undefined;
  const side = await workerSide(
    plugin('late', own => {
      hooks = own;
    }),
    {
      upstreams,
      pools: {
        default: [
          plugin('late', own => {
            ofPool = own;
          }),
        ],
      },
    },
  );
  if (hooks === undefined || ofPool === undefined) throw new Error('unreachable');
  return { side, hooks, ofPool };
}

late('run from the next request on', async () => {
  const { side, hooks } = await tappable();
  assert.is((await side.run()).status, 200);
  hooks.request.tap('late', () => reply(403));
  assert.is((await side.run()).status, 403);
});

late('throw to the plugin if they can never run, and no request fails', async () => {
  const { side, hooks, ofPool } = await tappable();
  assert.throws(
    () => hooks.preProxy.tap({ name: 'late', before: 'nobody' }, () => undefined),
    /must run before nobody, which has no tap there/,
  );
  assert.throws(
    () => ofPool.route.tap('late', () => undefined),
    /is never asked in the scope of pool default/,
  );
  assert.is((await side.run()).status, 200);
  assert.equal([hooks.preProxy.taps.length, ofPool.route.taps.length], [0, 0]);
});

const guards = suite('the guard of a tap');

guards('cannot be bypassed by intercept(), which is refused with a message', async () => {
  for (const stage of ['request', 'route', 'respond', 'finished', 'connection'] as const) {
    const walker = plugin('walker', hooks => hooks[stage].intercept({ register: tap => tap }));
    await workerSide(walker).then(
      () => assert.unreachable(),
      (error: unknown) => assert.match(String(error), `plugin walker in ${stage}: used intercept()`),
    );
  }
});

guards('cannot be removed from an existing tap', async () => {
  const taken = plugin('taken', hooks => {
    hooks.request.tap('taken', () => undefined);
    assert.throws(() => Object.assign(hooks.request.taps[0] ?? {}, { fn: () => 'spoiled' }), TypeError);
  });
  const { stages } = await workerSide(taken);
  assert.is(stages.first.request.taps.length, 1);
});

const unasked = suite('a tap that can never be asked');

const never: [name: string, tap: (hooks: RequestHooks) => void][] = [
  ['connection', hooks => hooks.connection.tap('x', () => undefined)],
  ['route', hooks => hooks.route.tap('x', () => undefined)],
  ['connectionFinished', hooks => hooks.connectionFinished.tap('x', () => {})],
];
for (const [stage, tap] of never) {
  unasked(`of ${stage} is an error at the start: within a pool, a route, a when`, async () => {
    const within = plugin('within', tap);
    const ofPool = workerSide([], { upstreams, pools: { blue: [within] } });
    assert.match(
      (await rejectionOf(ofPool)).message,
      `plugin pool:blue/within in ${stage}: is never asked in the scope of pool blue; put it into the config's own plugins`,
    );
    const ofRoute = workerSide([routeTo('r', 'blue', within)], { upstreams });
    assert.match((await rejectionOf(ofRoute)).message, `in ${stage}: is never asked in the scope of route r`);
    const ofWhen = workerSide([when('x', () => true, within)], { upstreams });
    // Which route a request takes may depend on a condition; a connection has no request.
    if (stage === 'route') await (await ofWhen).close();
    else assert.match((await rejectionOf(ofWhen)).message, `in ${stage}: is never asked within a when`);
  });
}

unasked('runs the clean-ups of its start', async () => {
  let closed = 0;
  const start = workerSide([plugin('first', (_, { onClose }) => onClose(() => void closed++))], {
    upstreams,
    pools: { blue: [plugin('within', hooks => void hooks.route.tap('x', () => undefined))] },
  });
  assert.match((await rejectionOf(start)).message, /is never asked/);
  assert.is(closed, 1);
});

const measured = suite('measured stages');

measured('one in many requests is measured, plugins of later pools included', async () => {
  const took: string[] = [];
  const stopwatch = { every: 3, took: (name: string, stage: string) => void took.push(`${name} ${stage}`) };
  const measuring = plugin('measuring', (_, side) => side.measureStages(stopwatch));
  const seen: string[] = [];
  const side = await workerSide([measuring, firstRole('a', seen)], { upstreams: ['http://10.0.0.1'] });
  for (let n = 0; n < 5; n++) await side.run();
  assert.is(seen.length, 5);
  assert.equal(took, ['a selectUpstream']);
  const hooks = createHooks(() => {});
  hooks.postProxy.tap('late', () => undefined);
  const scope = { kind: 'pool', name: 'default' } as const;
  side.stages.add({ plugin: 'late', hooks, scope, role: undefined, conditions: [] });
  await side.run();
  assert.equal(took, ['a selectUpstream', 'a selectUpstream', 'late postProxy']);
  await side.close();
});
