// Whatever a plugin writes, throws or returns: its request ends, nothing is leaked, and the next request is served.
import * as assert from 'uvu/assert';
import type { Upstream } from '../../../core/pool/pool.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import { firstAvailable, settle, workerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';
import { hostile } from './foreign.ts';
import {
  type Act,
  all,
  asynchronous,
  looking,
  stageTimeout,
  synchronous,
  Victim,
  type Way,
} from './victim.ts';

/** All objects that a plugin reaches from a context, by the path to them. */
function reachable(ctx: ProxyContext, upstream: Upstream | undefined): Map<string, object> {
  const found = new Map<string, unknown>([
    ['ctx', ctx],
    ['ctx.request', ctx.request],
    ['ctx.request.headers', ctx.request.headers],
    ['ctx.outgoing', ctx.outgoing],
    ['ctx.outgoing.headers', ctx.outgoing.headers],
    ['ctx.response', ctx.response],
    ['ctx.response.headers', ctx.response?.headers],
    ['ctx.timeouts', ctx.timeouts],
    ['ctx.attempt', ctx.attempt],
    ['ctx.attempts', ctx.attempts],
    ['ctx.attempts[0]', ctx.attempts[0]],
    ['ctx.tried', ctx.tried],
    ['ctx.pool', ctx.pool],
    ['ctx.pool.available', ctx.pool.available],
    ['ctx.upstream', ctx.upstream],
    ['an upstream', upstream ?? ctx.pool.available[0]],
    ['upstream.record', ctx.pool.available[0]?.record],
    ['upstream.alone', ctx.pool.available[0]?.alone],
    ['ctx.route', ctx.route],
    ['ctx.error', ctx.error],
    ['ctx.attempt.error', ctx.attempts[0]?.error],
    ['ctx.notes', ctx.notes],
    ['ctx.signal', ctx.signal],
  ]);
  const objects = new Map<string, object>();
  for (const [path, value] of found)
    if (typeof value === 'object' && value !== null) objects.set(path, value);
  return objects;
}

/** The names of an object's properties, including those of its classes, and one that it does not have. */
function keysOf(target: object): string[] {
  const keys = new Set<string>(['somethingNew']);
  for (let at: object | null = target; at !== null && !isBuiltIn(at); at = Object.getPrototypeOf(at)) {
    for (const key of Object.getOwnPropertyNames(at)) keys.add(key);
  }
  if (Array.isArray(target)) for (const key of ['0', 'length', 'includes']) keys.add(key);
  return [...keys];
}

function isBuiltIn(prototype: object): boolean {
  return [Object, Array, Error, EventTarget].some(each => each.prototype === prototype);
}

const values: readonly [name: string, value: unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['an object', { foreign: true }],
  ['a number', 7],
  ['a text', 'text'],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['a negative number', -1],
  ['a symbol', Symbol('odd')],
  ['two lines', 'a\r\nX: y'],
  ['a Proxy that throws', hostile({})],
];

/** All assignments that are possible in a stage, as found by a first run. */
async function placesIn(victim: Victim): Promise<[path: string, key: string][]> {
  const places = new Map<string, [string, string]>();
  const look: Act = (ctx, upstream, done) => {
    for (const [path, target] of reachable(ctx, upstream)) {
      for (const key of keysOf(target)) places.set(`${path}.${key}`, [path, key]);
    }
    done();
  };
  for (const target of ['/', '/fail']) await victim.run(look, target, 'a look around');
  return [...places.values()];
}

const writing = suite('a plugin that writes what it must not', { testTimeoutMs: 60_000 });

for (const stage of all) {
  const ways: Way[] = asynchronous.some(name => name === stage) ? ['tap', 'tapPromise', 'tapAsync'] : ['tap'];
  for (const way of ways) {
    writing(`in ${stage} (${way}) harms no other request, and its own request ends`, async () => {
      const victim = await Victim.start(stage, way);
      const places = await placesIn(victim);
      assert.ok(places.length > 100, `only ${places.length} places`);
      for (const [path, key] of places) {
        for (const [name, value] of values) {
          const what = `${path}.${key} = ${name} in ${stage}`;
          const write = (ctx: ProxyContext, upstream: Upstream | undefined): void => {
            const target = reachable(ctx, upstream).get(path);
            if (target !== undefined) Reflect.set(target, key, value);
          };
          // A refusal counts as success, so that the request continues with whatever was written.
          const quietly: Act = (ctx, upstream, done) => {
            try {
              write(ctx, upstream);
            } catch {}
            done();
          };
          await victim.run(quietly, '/', what);
          await victim.run(quietly, '/fail', what);
        }
        await victim.runPlain(`${path}.${key} in ${stage}`);
      }
      await victim.side.close();
    });
  }
}

writing('fails with its name and the stage when the write is refused', async () => {
  for (const stage of [...asynchronous, ...synchronous]) {
    const victim = await Victim.start(stage, 'tap');
    for (const key of ['upstream', 'pool', 'request', 'outgoing', 'response', 'status', 'attempt', 'tried']) {
      const write: Act = ctx => {
        (ctx as unknown as Record<string, unknown>)[key] = null;
      };
      const result = await victim.run(write, '/', `ctx.${key} in ${stage}`);
      assert.is(result.status, 500);
      assert.match(result.error?.message ?? '', `plugin spoiler in ${stage}: Cannot set property ${key}`);
      await victim.runPlain(`ctx.${key} in ${stage}`);
    }
  }
});

const returning = suite('a plugin that returns nonsense');

const home = await workerSide(firstAvailable, { upstreams: ['http://x:1'] });
const foreign = home.pools.default.get('http://x:1');

/** No stage accepts any of them. */
const nonsense: readonly [name: string, make: () => unknown][] = [
  ['null', () => null],
  ['zero', () => 0],
  ['a number', () => 502],
  ['an empty text', () => ''],
  ['a text', () => 'http://a:1'],
  ['an object', () => ({})],
  ['an object that looks like a reply', () => ({ status: 200, headers: {}, body: '' })],
  ['a function', () => () => {}],
  ['a symbol', () => Symbol('odd')],
  ['an upstream of another pool', () => foreign],
  ['an error', () => new Error('returned')],
];

for (const stage of [...asynchronous, ...synchronous]) {
  returning(`in ${stage} fails its request with 500, plugin and stage`, async () => {
    const ways: Way[] = asynchronous.some(name => name === stage)
      ? ['tap', 'tapPromise', 'tapAsync']
      : ['tap'];
    for (const way of ways) {
      const victim = await Victim.start(stage, way);
      const wrong = nonsense.concat([
        stage === 'eligible' ? ['a reply', () => reply(200)] : ['false', () => false],
        stage === 'judge' ? ['a reply', () => reply(200)] : ['retry', () => retry],
        ['a promise of a promise', () => [Promise.resolve()]],
      ]);
      for (const [name, make] of wrong) {
        const act: Act = (_ctx, _upstream, done) => {
          if (way !== 'tapAsync') return make();
          done(null, make());
          return undefined;
        };
        const result = await victim.run(act, '/', `${name} from ${way} in ${stage}`);
        assert.equal([result.status, result.error?.code], [500, 'PLUGIN_FAILED'], `${name} in ${stage}`);
        await victim.runPlain(`${name} in ${stage}`);
      }
      if (way !== 'tap') continue;
      for (const promise of [async () => undefined, () => Promise.reject(new Error('unhandled?'))]) {
        const result = await victim.run(promise, '/', `a promise in ${stage}`);
        assert.is(result.status, 500);
        assert.match(result.error?.message ?? '', /returned a promise from tap\(\)/);
      }
    }
  });
}

returning('in a stage that ignores results harms nothing', async () => {
  for (const stage of looking) {
    const victim = await Victim.start(stage, 'tap');
    for (const [name, make] of [
      ...nonsense,
      ['a reply', () => reply(500)],
      ['retry', () => retry],
    ] as const) {
      const result = await victim.run(make, '/', `${name} in ${stage}`);
      assert.is(result.status, 200);
    }
    assert.equal(victim.side.reported, []);
    await victim.run(() => Promise.reject(new Error('late')), '/', `a rejection in ${stage}`);
    await settle();
    assert.match(victim.side.reported[0]?.message ?? '', `plugin spoiler in ${stage}: late`);
  }
});

const throwing = suite('a plugin that throws');

const thrown: readonly [name: string, value: unknown][] = [
  ['an error', new Error('no luck')],
  ['undefined', undefined],
  ['null', null],
  ['false', false],
  ['an empty text', ''],
  ['an object without a prototype', Object.create(null)],
  ['a reply', reply(200)],
];

for (const stage of all) {
  throwing(`in ${stage} fails its request, or is reported where none can fail`, async () => {
    const ways: Way[] = asynchronous.some(name => name === stage)
      ? ['tap', 'tapPromise', 'tapAsync']
      : ['tap'];
    for (const way of ways) {
      const victim = await Victim.start(stage, way);
      for (const [name, value] of thrown) {
        const what = `${name} thrown in ${stage} (${way})`;
        const act: Act = () => {
          throw value;
        };
        const result = await victim.run(act, '/', what);
        if (looking.some(each => each === stage)) {
          assert.is(result.status, 200, what);
          assert.match(victim.side.reported.at(-1)?.message ?? '', `plugin spoiler in ${stage}: `);
        } else {
          assert.equal([result.status, result.error?.code], [500, 'PLUGIN_FAILED'], what);
        }
        await victim.runPlain(what);
      }
    }
  });
}

const waiting = suite('a plugin that does not settle');

for (const stage of asynchronous) {
  for (const way of ['tapPromise', 'tapAsync'] as const) {
    waiting(`in ${stage} (${way}) ends its request after the stage's timeout`, async () => {
      const victim = await Victim.start(stage, way);
      const begin = victim.side.clock.monotonic();
      const never: Act = way === 'tapPromise' ? () => new Promise(() => {}) : () => {};
      const result = await victim.run(never, '/', `never in ${stage}`);
      assert.is(victim.side.clock.monotonic() - begin, stageTimeout);
      assert.is(result.status, 500);
      assert.is(result.error?.message, `plugin spoiler in ${stage}: took over ${stageTimeout} ms`);
      await victim.runPlain(`never in ${stage}`);
      assert.is(victim.side.clock.pending, 0);
    });

    waiting(`in ${stage} (${way}) until its request has ended changes nothing later`, async () => {
      const victim = await Victim.start(stage, way);
      const gate = Promise.withResolvers<unknown>();
      const late: Act = (_ctx, _upstream, done) => {
        if (way === 'tapPromise') return gate.promise;
        gate.promise.then(value => done(null, value));
        return undefined;
      };
      const result = await victim.run(late, '/', `late in ${stage}`);
      const before = [result.ctx.status, result.ctx.error, result.ctx.attempts.length];
      gate.resolve(reply(200));
      await settle();
      assert.equal([result.ctx.status, result.ctx.error, result.ctx.attempts.length], before);
      assert.equal([victim.finished, victim.attemptsFinished], [1, result.ctx.attempts.length]);
      await victim.runPlain(`late in ${stage}`);
    });
  }

  waiting(`in ${stage}, and calls back twice, or throws afterwards, counts once`, async () => {
    const victim = await Victim.start(stage, 'tapAsync');
    const twice: Act[] = [
      (_ctx, _upstream, done) => {
        done();
        done(new Error('second'));
        done(null, reply(200));
      },
      (_ctx, _upstream, done) => {
        done();
        queueMicrotask(() => done(new Error('later')));
        setImmediate(() => done(new Error('much later')));
      },
      (_ctx, _upstream, done) => {
        done();
        throw new Error('afterwards');
      },
    ];
    for (const act of twice) {
      const result = await victim.run(act, '/', `twice in ${stage}`);
      assert.equal([result.status, result.error], [200, undefined]);
      await settle();
      assert.is(victim.finished, 1);
      await victim.runPlain(`twice in ${stage}`);
    }
    assert.match(victim.side.reported[0]?.message ?? '', `plugin spoiler in ${stage}: afterwards`);
  });
}
