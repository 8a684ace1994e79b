// The guards around tapable: what a plugin does wrong fails its request with its name, and nothing hangs.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { createHooks, createManagerHooks, type RequestHooks } from '../../../core/plugin/hooks.ts';
import { Upstream } from '../../../core/pool/pool.ts';
import { type ProxyContext, type Reply, reply, retry } from '../../../core/request/context.ts';
import { context, settle, upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const upstream = new Upstream('default', upstreamRecord('http://a:1'));

/** Fresh hooks and what was reported by them. */
function fresh(): { hooks: RequestHooks; reported: WeldrError[] } {
  const reported: WeldrError[] = [];
  return { hooks: createHooks(error => void reported.push(error)), reported };
}

interface Stage {
  callAsync(ctx: ProxyContext, done: (thrown?: Error | null, result?: unknown) => void): void;
}

/** What a stage answers; rejects with what it fails with, or when it never calls back. */
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

async function failureOf(promise: Promise<unknown>): Promise<WeldrError> {
  const thrown = await promise.then(
    value => new Error(`it answered ${String(value)}`),
    error => error,
  );
  if (!(thrown instanceof WeldrError)) throw thrown;
  return thrown;
}

/** Plugins break the types: what JavaScript lets through. */
// biome-ignore lint/suspicious/noExplicitAny: the point of these tests
type Wrong = any;

const stages = suite('a stage');

stages('answers the first tap that answers, and asks nobody after it', async () => {
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

stages('answers nothing when nobody answers', async () => {
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

stages('takes what it may answer, and nothing else', async () => {
  const answer = reply(200);
  const allowed: [keyof RequestHooks, unknown, boolean][] = [
    ['selectUpstream', upstream, true],
    ['selectUpstream', answer, true],
    ['selectUpstream', retry, false],
    ['selectUpstream', 'http://a:1', false],
    ['preProxy', answer, true],
    ['preProxy', upstream, false],
    ['preProxy', true, false],
    ['postProxy', answer, true],
    ['postProxy', retry, true],
    ['postProxy', upstream, false],
    ['postProxy', 200, false],
  ];
  for (const [stage, value, ok] of allowed) {
    const { hooks } = fresh();
    (hooks[stage] as Wrong).tap('some', () => value);
    if (ok) assert.is(await call(hooks[stage] as Wrong), value);
    else assert.is((await failureOf(call(hooks[stage] as Wrong))).code, 'PLUGIN_FAILED');
  }
});

for (const value of [null, false, 0, '']) {
  stages(`does not take ${JSON.stringify(value)} for "nothing"`, async () => {
    const taps: ((hooks: RequestHooks) => void)[] = [
      hooks => hooks.preProxy.tap('some', () => value as Wrong),
      hooks => hooks.preProxy.tapPromise('some', async () => value as Wrong),
      hooks => hooks.preProxy.tapAsync('some', (_, done) => done(null, value as Wrong)),
    ];
    for (const tap of taps) {
      const { hooks } = fresh();
      tap(hooks);
      const error = await failureOf(call(hooks.preProxy));
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
    'a tap that throws what is no Error',
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
    'a tapPromise that returns no promise',
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
    const error = await failureOf(call(hooks.preProxy));
    assert.is(error.code, 'PLUGIN_FAILED');
    assert.is(error.status, 500);
    assert.match(error.message, message);
  });
}

stages('hears only the first call of a tapAsync that calls back twice', async () => {
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

stages('keeps what was thrown as the cause', async () => {
  const { hooks } = fresh();
  const cause = new RangeError('the cause');
  hooks.preProxy.tap('bad', () => {
    throw cause;
  });
  assert.is((await failureOf(call(hooks.preProxy))).cause, cause);
});

stages('refuses a tap that wants to be before one that is not there', () => {
  const { hooks } = fresh();
  hooks.preProxy.tap('known', () => undefined);
  assert.throws(
    () => hooks.preProxy.tap({ name: 'lost', before: 'unknown' }, () => undefined),
    /plugin lost in preProxy: wants to be before unknown/,
  );
  assert.throws(
    () => hooks.preProxy.tap({ name: 'lost', before: ['known', 'unknown'] as Wrong }, () => undefined),
    /unknown/,
  );
  assert.is(hooks.preProxy.taps.length, 1);
});

stages('runs a tap before the one that it names', async () => {
  const { hooks } = fresh();
  hooks.preProxy.tap('a', () => reply(201));
  hooks.preProxy.tap('b', () => reply(202));
  hooks.preProxy.tap({ name: 'c', before: 'b' }, () => undefined);
  hooks.preProxy.tap({ name: 'd', before: 'a' }, () => reply(203));
  assert.equal(
    hooks.preProxy.taps.map(tap => tap.name),
    ['d', 'a', 'c', 'b'],
  );
  assert.is(((await call(hooks.preProxy)) as Reply).status, 203);
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

listeners('takes any answer for none', () => {
  const { hooks, reported } = fresh();
  hooks.finished.tap('chatty', () => 'something' as Wrong);
  hooks.finished.call(context());
  assert.equal(reported, []);
});

const manager = suite("the manager's hooks");

manager('await asynchronous taps in their order, past those that fail', async () => {
  const reported: WeldrError[] = [];
  const hooks = createManagerHooks(error => void reported.push(error));
  const seen: string[] = [];
  hooks.stopping.tapPromise('one', async () => {
    await settle();
    seen.push('one');
  });
  hooks.stopping.tapPromise('two', async () => await Promise.reject(new Error('two fails')));
  hooks.stopping.tapPromise('three', () => {
    throw new Error('three throws');
  });
  hooks.stopping.tapPromise('four', (() => seen.push('four')) as Wrong);
  hooks.stopping.tap('five', () => void seen.push('five'));
  await hooks.stopping.promise();
  assert.equal(seen, ['one', 'four', 'five']);
  assert.equal(
    reported.map(error => error.message),
    ['plugin two in stopping: two fails', 'plugin three in stopping: three throws'],
  );
});

manager('refuse tapAsync, whose callback could be forgotten', () => {
  const hooks = createManagerHooks(() => {});
  assert.throws(() => hooks.stopping.tapAsync('bad', () => {}), /plugin bad in stopping: used tapAsync\(\)/);
  assert.is(hooks.stopping.taps.length, 0);
});

manager('hand their arguments on', () => {
  const hooks = createManagerHooks(() => {});
  const seen: unknown[] = [];
  hooks.upstreamChanged.tap('look', (changed, before) => void seen.push(changed, before));
  const before = upstreamRecord({ url: 'http://a:1', state: 'down' });
  hooks.upstreamChanged.call(upstream, before);
  assert.equal(seen, [upstream, before]);
});
