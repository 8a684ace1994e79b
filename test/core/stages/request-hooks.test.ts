// The guards around tapable: a plugin's mistake fails its request with the plugin's name, and nothing hangs.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { Pool, Upstream } from '../../../core/pool/pool.ts';
import { type ProxyContext, stateOf } from '../../../core/request/context.ts';
import { type Reply, reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import { Route } from '../../../core/request/route.ts';
import { createHooks, type RequestHooks } from '../../../core/stages/request-hooks.ts';
import { context, pool, settle, upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';

/** It is in no pool. */
const upstream = new Upstream('default', upstreamRecord('http://a:1'));

/** Fresh hooks and what they reported. */
function fresh(): { hooks: RequestHooks; reported: WeldrError[] } {
  const reported: WeldrError[] = [];
  return { hooks: createHooks(error => void reported.push(error)), reported };
}

interface Stage {
  callAsync(ctx: ProxyContext, done: (thrown?: Error | null, result?: unknown) => void): void;
}

/** Resolves with what a stage returns; rejects with its failure, or when it never calls back. */
function call(stage: Stage, ctx = context()): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let calls = 0;
    stage.callAsync(ctx, (thrown, result) => {
      if (++calls > 1) throw new Error('the stage called back twice');
      if (thrown) reject(thrown);
      else resolve(result);
    });
    settle()
      .then(settle)
      .then(() => {
        if (calls === 0) reject(new Error('the stage hangs'));
      });
  });
}

/** Plugins break the types: what JavaScript allows. */
// biome-ignore lint/suspicious/noExplicitAny: the point of these tests
type Wrong = any;

const stages = suite('a stage');

stages('returns the result of the first tap that has one, and calls none after it', async () => {
  const { hooks } = fresh();
  const asked: string[] = [];
  hooks.selectUpstream.tap('first', () => {
    asked.push('first');
    return undefined;
  });
  hooks.selectUpstream.tapPromise('second', async () => {
    asked.push('second');
    return upstream;
  });
  hooks.selectUpstream.tap('third', () => {
    asked.push('third');
    return undefined;
  });
  assert.is(await call(hooks.selectUpstream), upstream);
  assert.equal(asked, ['first', 'second']);
});

stages('returns nothing if no tap does', async () => {
  const { hooks } = fresh();
  hooks.preProxy.tap('a', () => undefined);
  hooks.preProxy.tapAsync('b', (_, done) => done(null));
  hooks.preProxy.tapPromise('c', async () => undefined);
  assert.is(await call(hooks.preProxy), undefined);
  assert.is(await call(hooks.postProxy), undefined);
});

stages('is done at once when all taps are synchronous', () => {
  const { hooks } = fresh();
  hooks.selectUpstream.tap('a', () => upstream);
  let answer: unknown;
  hooks.selectUpstream.callAsync(context(), (_, result) => {
    answer = result;
  });
  assert.is(answer, upstream);
});

stages('accepts the results that it allows, and nothing else', async () => {
  const home = pool(['http://a:1']);
  const ctx = context({ pool: home });
  const answer = reply(200);
  const member = home.get('http://a:1');
  const foreign = pool(['http://a:1']).get('http://a:1');
  const allowed: [keyof RequestHooks, unknown, boolean][] = [
    ['request', answer, true],
    ['request', member, false],
    ['request', home, false],
    ['selectUpstream', member, true],
    ['selectUpstream', upstream, true], // it has left every pool: another one is drawn
    ['selectUpstream', foreign, false],
    ['selectUpstream', answer, false],
    ['selectUpstream', retry, false],
    ['selectUpstream', 'http://a:1', false],
    ['preProxy', answer, true],
    ['preProxy', member, false],
    ['preProxy', true, false],
    ['judge', retry, true],
    ['judge', retry({ pool: 'other' }), true],
    ['judge', answer, false],
    ['postProxy', answer, true],
    ['postProxy', retry, false],
    ['postProxy', member, false],
    ['postProxy', 200, false],
  ];
  for (const [stage, value, ok] of allowed) {
    const { hooks } = fresh();
    (hooks[stage] as Wrong).tap('some', () => value);
    if (ok) assert.is(await call(hooks[stage] as Wrong, ctx), value);
    else assert.is((await rejectionOf(call(hooks[stage] as Wrong, ctx))).code, 'PLUGIN_FAILED');
  }
});

stages('names an upstream of another pool in its error', async () => {
  const { hooks } = fresh();
  hooks.selectUpstream.tap('lost', () => pool(['http://b:1'], 'blue').get('http://b:1'));
  const error = await rejectionOf(call(hooks.selectUpstream));
  assert.match(
    error.message,
    'plugin lost in selectUpstream: returned the upstream http://b:1 of pool blue; expected an upstream of ctx.pool',
  );
});

stages('route accepts a pool, a route or a reply, and nothing else', () => {
  const blue = new Pool('blue');
  for (const value of [blue, new Route('a', blue), reply(200), undefined]) {
    const { hooks } = fresh();
    hooks.route.tap('some', () => value);
    assert.is(hooks.route.call(context()), value);
  }
  for (const value of ['blue', upstream, null, retry]) {
    const { hooks } = fresh();
    hooks.route.tap('some', () => value as Wrong);
    assert.throws(
      () => hooks.route.call(context()),
      /plugin some in route: returned .*; expected a pool, a route/,
    );
  }
});

stages('eligible: false refuses, and true lets the next tap decide', () => {
  const { hooks } = fresh();
  hooks.eligible.tap('yes', () => true);
  hooks.eligible.tap('no', () => false);
  assert.is(hooks.eligible.call(context(), upstream), false);
  const others = fresh().hooks;
  others.eligible.tap('yes', () => true);
  others.eligible.tap('silent', () => undefined);
  assert.is(others.eligible.call(context(), upstream), undefined);
  others.eligible.tap('odd', () => 0 as Wrong);
  assert.throws(
    () => others.eligible.call(context(), upstream),
    /plugin odd in eligible: returned 0; expected false/,
  );
});

stages('accepts only synchronous taps where it is synchronous', () => {
  const { hooks } = fresh();
  for (const stage of [
    'route',
    'eligible',
    'respond',
    'connection',
    'finished',
    'attemptFinished',
  ] as const) {
    assert.throws(() => (hooks[stage] as Wrong).tapPromise('late', async () => undefined));
    assert.throws(() => (hooks[stage] as Wrong).tapAsync('late', () => undefined));
    assert.is(hooks[stage].taps.length, 0);
  }
});

stages('uses the name of the plugin for each tap, when it knows it', async () => {
  const hooks = createHooks(() => {}, 'the-plugin');
  hooks.preProxy.tap('some tap', () => {
    throw new Error('no luck');
  });
  const error = await rejectionOf(call(hooks.preProxy));
  assert.is(error.message, 'plugin the-plugin in preProxy: no luck');
  assert.equal([error.plugin, error.stage], ['the-plugin', 'preProxy']);
});

stages('passes on an error of the client, such as an ambiguous path', async () => {
  const { hooks } = fresh();
  hooks.request.tap('matcher', () => {
    throw new WeldrError('BAD_REQUEST', 'ambiguous');
  });
  assert.is((await rejectionOf(call(hooks.request))).code, 'BAD_REQUEST');
});

stages('names itself and the plugin even when the plugin throws an error of Weldr', async () => {
  for (const code of ['PLUGIN_FAILED', 'UPSTREAM_RESET', 'INTERNAL'] as const) {
    const { hooks } = fresh();
    hooks.request.tap('forger', () => {
      throw new WeldrError(code, 'odd');
    });
    const error = await rejectionOf(call(hooks.request));
    assert.is(error.code, 'PLUGIN_FAILED');
    assert.match(error.message, 'plugin forger in request: odd');
  }
});

for (const [what, thrown] of [
  ['an object without a prototype', Object.create(null)],
  ['undefined', undefined],
  ['null', null],
  ['a symbol', Symbol('odd')],
  ['an object that cannot be converted to a string', { toString: () => assert.unreachable() }],
  [
    'an error whose message cannot be read',
    Object.defineProperty(new Error(), 'message', { get: () => assert.unreachable() }),
  ],
] as const) {
  stages(`fails with the plugin's name for ${what} that is thrown`, async () => {
    const { hooks } = fresh();
    const bad = () => {
      throw thrown;
    };
    hooks.request.tap('bad', bad);
    assert.match((await rejectionOf(call(hooks.request))).message, /^plugin bad in request: /);
    const { hooks: others, reported } = fresh();
    others.request.tapPromise('bad', async () => bad());
    assert.match((await rejectionOf(call(others.request))).message, /^plugin bad in request: /);
    others.finished.tap('bad', bad);
    others.finished.call(context());
    assert.match(reported[0]?.message ?? '', /^plugin bad in finished: /);
  });
}

stages('shows at most 200 characters of what a plugin returned', async () => {
  const { hooks } = fresh();
  hooks.request.tap('chatty', () => 'x'.repeat(1_000_000) as Wrong);
  assert.ok((await rejectionOf(call(hooks.request))).message.length < 400);
});

for (const value of [null, false, 0, '']) {
  stages(`does not treat ${JSON.stringify(value)} as "nothing"`, async () => {
    const taps: ((hooks: RequestHooks) => void)[] = [
      hooks => hooks.preProxy.tap('some', () => value as Wrong),
      hooks => hooks.preProxy.tapPromise('some', async () => value as Wrong),
      hooks => hooks.preProxy.tapAsync('some', (_, done) => done(null, value as Wrong)),
    ];
    for (const tap of taps) {
      const { hooks } = fresh();
      tap(hooks);
      const error = await rejectionOf(call(hooks.preProxy));
      assert.match(error.message, /plugin some in preProxy: returned .*; expected a reply or undefined/);
    }
  });
}

const mistakes: [what: string, tap: (hooks: RequestHooks) => void, message: RegExp][] = [
  [
    'a tap that throws',
    hooks =>
      hooks.preProxy.tap('bad', () => {
        throw new Error('no luck');
      }),
    /plugin bad in preProxy: no luck/,
  ],
  [
    'a tap that throws something other than an Error',
    hooks =>
      hooks.preProxy.tap('bad', () => {
        throw 'text';
      }),
    /plugin bad in preProxy: text/,
  ],
  [
    'a tapPromise that throws before it returns a promise',
    hooks =>
      hooks.preProxy.tapPromise('bad', () => {
        throw new Error('too early');
      }),
    /plugin bad in preProxy: too early/,
  ],
  [
    'a tapPromise that does not return a promise',
    hooks => hooks.preProxy.tapPromise('bad', (() => undefined) as Wrong),
    /plugin bad in preProxy: gave tapPromise\(\) a function that returns no promise/,
  ],
  [
    'a tapPromise that rejects',
    hooks => hooks.preProxy.tapPromise('bad', async () => await Promise.reject(new Error('later'))),
    /plugin bad in preProxy: later/,
  ],
  [
    'an async function given to tap',
    hooks => hooks.preProxy.tap('bad', (async () => undefined) as Wrong),
    /plugin bad in preProxy: returned a promise from tap\(\); use tapPromise\(\)/,
  ],
  [
    'an async function given to tap that rejects',
    hooks => hooks.preProxy.tap('bad', (async () => await Promise.reject(new Error('unhandled'))) as Wrong),
    /returned a promise from tap\(\)/,
  ],
  [
    'a tapAsync that throws',
    hooks =>
      hooks.preProxy.tapAsync('bad', () => {
        throw new Error('before calling back');
      }),
    /plugin bad in preProxy: before calling back/,
  ],
  [
    'a tapAsync that calls back with an error',
    hooks => hooks.preProxy.tapAsync('bad', (_, done) => done(new Error('given'))),
    /plugin bad in preProxy: given/,
  ],
];
for (const [what, tap, message] of mistakes) {
  stages(`fails with the plugin's name for ${what}`, async () => {
    const { hooks } = fresh();
    tap(hooks);
    const error = await rejectionOf(call(hooks.preProxy));
    assert.is(error.code, 'PLUGIN_FAILED');
    assert.is(error.status, 500);
    assert.match(error.message, message);
  });
}

stages('ignores the second call of a tapAsync that calls back twice', async () => {
  const { hooks } = fresh();
  hooks.preProxy.tapAsync('twice', (_, done) => {
    done(null);
    done(null, reply(500));
  });
  hooks.preProxy.tap('next', () => reply(204));
  assert.is(((await call(hooks.preProxy)) as Reply).status, 204);
});

stages('reports what a tapAsync throws after it has called back', async () => {
  const { hooks, reported } = fresh();
  hooks.preProxy.tapAsync('late', (_, done) => {
    done(null, reply(204));
    throw new Error('afterwards');
  });
  assert.is(((await call(hooks.preProxy)) as Reply).status, 204);
  assert.match(reported[0]?.message ?? '', /plugin late in preProxy: afterwards/);
});

stages('keeps the thrown value as the cause', async () => {
  const { hooks } = fresh();
  const cause = new RangeError('the cause');
  hooks.preProxy.tap('bad', () => {
    throw cause;
  });
  assert.is((await rejectionOf(call(hooks.preProxy))).cause, cause);
});

stages('cannot be replaced by a plugin', () => {
  const { hooks } = fresh();
  assert.throws(() => ((hooks as Wrong).request = undefined), /read only/);
});

const listeners = suite('a hook that only listens');

for (const stage of ['finished', 'attemptFinished'] as const) {
  listeners(`reports a tap of ${stage} that throws, and runs the next one`, () => {
    const { hooks, reported } = fresh();
    let ran = false;
    hooks[stage].tap('bad', () => {
      throw new Error('no luck');
    });
    hooks[stage].tap('good', () => {
      ran = true;
    });
    hooks[stage].call(context());
    assert.is(ran, true);
    assert.match(reported[0]?.message ?? '', new RegExp(`plugin bad in ${stage}: no luck`));
  });
}

listeners('reports the rejection of an async function', async () => {
  const { hooks, reported } = fresh();
  hooks.finished.tap('bad', async () => await Promise.reject(new Error('later')));
  hooks.finished.call(context());
  await settle();
  assert.match(reported[0]?.message ?? '', /plugin bad in finished: later/);
});

listeners('ignores what taps return', () => {
  const { hooks, reported } = fresh();
  hooks.finished.tap('chatty', () => 'something' as Wrong);
  hooks.finished.call(context());
  assert.equal(reported, []);
});

const respond = suite('respond');

respond('replaces a reply or an error with a reply, but not an upstream’s response', () => {
  const { hooks } = fresh();
  hooks.respond.tap('page', () => reply(410, 'gone') as Wrong);
  for (const source of ['weldr', 'plugin', 'upstream'] as const) {
    const ctx = context();
    stateOf(ctx).replaceResponse(reply(502, 'x'), source, undefined);
    if (source === 'upstream') {
      assert.throws(
        () => hooks.respond.call(ctx),
        /plugin page in respond: returned a reply for an upstream’s response/,
      );
      assert.is(ctx.status, 502);
    } else {
      hooks.respond.call(ctx);
      assert.equal([ctx.status, ctx.response?.source, ctx.response?.plugin], [410, 'plugin', 'page']);
    }
  }
});

respond('fails with the name of the plugin for anything else that is returned', () => {
  for (const value of [null, false, 0, '', {}, upstream, retry, Promise.resolve()]) {
    const { hooks } = fresh();
    hooks.respond.tap('odd', () => value as Wrong);
    const ctx = context();
    stateOf(ctx).replaceResponse(reply(502), 'weldr', undefined);
    assert.throws(() => hooks.respond.call(ctx), /plugin odd in respond: returned/);
  }
});

const connection = suite('connection');

const info = { remoteAddress: '192.0.2.1', remotePort: 1, localPort: 80, listener: '' };

connection('is refused by the first tap that refuses', () => {
  const { hooks } = fresh();
  let asked = 0;
  hooks.connection.tap('look', () => void asked++);
  assert.is(hooks.connection.call(info), undefined);
  hooks.connection.tap('gate', () => 'refuse');
  hooks.connection.tap('last', () => void asked++);
  assert.is(hooks.connection.call(info), 'refuse');
  assert.is(asked, 2);
});

connection('is refused if a tap fails, and the mistake is reported', () => {
  for (const wrong of [
    () => {
      throw new Error('no luck');
    },
    () => false,
    () => null,
    async () => await Promise.reject(new Error('later')),
  ]) {
    const { hooks, reported } = fresh();
    hooks.connection.tap('broken', wrong as Wrong);
    assert.is(hooks.connection.call(info), 'refuse');
    assert.match(reported[0]?.message ?? '', /^plugin broken in connection: /);
  }
});
