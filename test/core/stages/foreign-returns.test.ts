// Objects that only look like a value that a stage accepts, or cannot even be looked at: the request fails with plugin
// and stage, nothing is thrown uncaught, and the next request is served.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { Upstream } from '../../../core/pool/pool.ts';
import { HeaderList } from '../../../core/request/headers.ts';
import { Reply, reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import { settle, upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';
import { type Foreign, fail, forged, hostile, opaque, thenable } from './foreign.ts';
import {
  type Act,
  all,
  asynchronous,
  looking,
  type Stage,
  stageTimeout,
  synchronous,
  Victim,
  type Way,
} from './victim.ts';

const isOf = (stages: readonly string[], stage: Stage): boolean => stages.includes(stage);
const waysOf = (stage: Stage): Way[] =>
  isOf(asynchronous, stage) ? ['tap', 'tapPromise', 'tapAsync'] : ['tap'];

const returning = suite('a plugin that returns a foreign value');

for (const stage of [...asynchronous, ...synchronous]) {
  for (const way of waysOf(stage)) {
    returning(`in ${stage} (${way}) fails its request with 500, plugin and stage`, async () => {
      const victim = await Victim.start(stage, way);
      for (const [name, make] of [...forged, ...opaque]) {
        const what = `${name} in ${stage} (${way})`;
        const value = make();
        // Promises read `then` of what they resolve with, and call it if there is one.
        if (way === 'tapPromise' && name.startsWith('a thenable')) continue;
        const act: Act = (_ctx, _upstream, done) => {
          if (way !== 'tapAsync') return value;
          done(null, value);
          return undefined;
        };
        const result = await victim.run(act, '/', what);
        assert.equal([result.status, result.error?.code], [500, 'PLUGIN_FAILED'], what);
        await victim.runPlain(what);
      }
      await settle();
      await victim.side.close();
    });
  }
}

returning('in a stage that ignores results harms nothing', async () => {
  for (const stage of looking) {
    const victim = await Victim.start(stage, 'tap');
    for (const [name, make] of [...forged, ...opaque]) {
      // Its `then` is called, because it may report something; a rejection that it leaves behind is the plugin's fault.
      if (name.includes('in the background')) continue;
      const result = await victim.run(() => make(), '/', `${name} in ${stage}`);
      assert.is(result.status, 200, name);
      await victim.runPlain(name);
    }
    await settle();
  }
});

returning('a thenable that never calls back ends its request after the stage’s timeout', async () => {
  for (const stage of asynchronous) {
    const victim = await Victim.start(stage, 'tapPromise');
    const result = await victim.run(() => thenable(() => {}), '/', `in ${stage}`);
    assert.is(result.error?.message, `plugin spoiler in ${stage}: took over ${stageTimeout} ms`);
    await victim.runPlain(stage);
  }
});

returning('a thenable that calls back twice, or throws afterwards, counts once', async () => {
  for (const stage of asynchronous) {
    const victim = await Victim.start(stage, 'tapPromise');
    const thenables = [
      (resolve: (value?: unknown) => void, reject: (why: unknown) => void): void => {
        resolve();
        resolve(reply(200));
        reject(new Error('second'));
      },
      (resolve: (value?: unknown) => void): void => {
        resolve();
        throw new Error('afterwards');
      },
    ];
    for (const then of thenables) {
      const result = await victim.run(() => thenable(then), '/', `in ${stage}`);
      assert.equal([result.status, result.error], [200, undefined]);
    }
  }
});

returning('an upstream of no pool, or that has left its pool, is replaced by another choice', async () => {
  const victim = await Victim.start('selectUpstream', 'tap');
  const left = victim.side.pools.default.set(upstreamRecord('http://left:1'));
  victim.side.pools.default.delete('http://left:1');
  for (const upstream of [left, new Upstream('default', upstreamRecord('http://a:1'))]) {
    const { status, attempts } = await victim.run(() => upstream, '/', 'one that has left');
    assert.equal([status, attempts.map(({ id }) => id).sort()], [200, ['http://a:1', 'http://b:1']]);
    assert.is(upstream.inFlight, 0);
  }
});

const throwing = suite('a plugin that throws a foreign value');

const bent = (key: string, value: unknown): WeldrError => {
  const error = new WeldrError('BAD_REQUEST', 'bent');
  try {
    Object.defineProperty(error, key, { value });
  } catch {}
  return error;
};

/** Errors with false fields, and objects that cannot be looked at. */
const lying: readonly Foreign[] = [
  ['an object with the prototype of WeldrError', () => Object.create(WeldrError.prototype)],
  ['a Proxy of a WeldrError', () => new Proxy(new WeldrError('BAD_REQUEST'), {})],
  ['a Proxy of a WeldrError that throws', () => hostile(new WeldrError('BAD_REQUEST'))],
  [
    'an error with getters that throw',
    () =>
      Object.defineProperties(new Error('x'), {
        message: { get: fail },
        stack: { get: fail },
        cause: { get: fail },
        name: { get: fail },
        code: { get: fail },
      }),
  ],
  [
    'an error whose cause is itself',
    () => {
      const error = new Error('x');
      error.cause = error;
      return error;
    },
  ],
];

for (const stage of all) {
  for (const way of waysOf(stage)) {
    throwing(`in ${stage} (${way}) fails its request, or is reported where none can fail`, async () => {
      const victim = await Victim.start(stage, way);
      for (const [name, make] of [...lying, ...opaque, ...forged]) {
        const what = `${name} thrown in ${stage} (${way})`;
        const value = make();
        const result = await victim.run(
          () => {
            throw value;
          },
          '/',
          what,
        );
        if (isOf(looking, stage)) {
          assert.is(result.status, 200, what);
          assert.match(victim.side.reported.at(-1)?.message ?? '', `plugin spoiler in ${stage}: `, what);
        } else {
          assert.equal([result.status, result.error?.code], [500, 'PLUGIN_FAILED'], what);
        }
        await victim.runPlain(what);
      }
      for (const [key, value] of [
        ['status', 99],
        ['status', 'x'],
        ['title', 'a\r\nX: y'],
        ['blame', 'weldr'],
        ['level', 'nonsense'],
        ['code', 'NONE'],
        ['message', hostile({})],
      ] as const) {
        const what = `an error with another ${key} thrown in ${stage} (${way})`;
        const result = await victim.run(
          () => {
            throw bent(key, value);
          },
          '/',
          what,
        );
        if (!isOf(looking, stage))
          assert.equal([result.status, result.error?.code], [400, 'BAD_REQUEST'], what);
        await victim.runPlain(what);
      }
    });
  }
}

throwing('nothing, but tries to edit the error of an attempt, does not change it', async () => {
  for (const stage of ['judge', 'postProxy', 'respond', 'attemptFinished', 'finished'] as const) {
    const victim = await Victim.start(stage, 'tap');
    for (const key of ['status', 'title', 'blame', 'retry', 'level', 'code', 'message', 'stage', 'cause']) {
      const act: Act = ctx => {
        for (const error of [ctx.error, ctx.attempt?.error, ...ctx.attempts.map(attempt => attempt.error)]) {
          if (error === undefined) continue;
          try {
            Object.defineProperty(error, key, { value: 99 });
          } catch {}
        }
        return undefined;
      };
      const { status, error } = await victim.run(act, '/fail', `${key} in ${stage}`);
      assert.equal([status, error?.code], [502, 'CONNECT_FAILED'], `${key} in ${stage}`);
      await victim.runPlain(key);
    }
  }
});

const making = suite('what a plugin makes');

making('cannot be a reply that could not be sent', () => {
  const headers = new HeaderList();
  assert.throws(() => new Reply(99, headers, ''), /status/);
  assert.throws(() => new Reply(200, headers, {} as string), /body/);
  assert.throws(() => new Reply(200, {} as HeaderList, ''));
  assert.throws(() => new Reply(200, Object.create(HeaderList.prototype) as HeaderList, ''));
  for (const value of ['a\r\nX: y', 'a\n', '\0', 'č', 5, { toString: () => 'x' }]) {
    assert.throws(() => reply(200, '', { 'X-Copy': value as string }), /not a value for X-Copy/);
    assert.throws(() => reply(200, '', { [`X-${String(value)}\r\n`]: 'x' }), /not a header name/);
  }
});

making('is a reply that does not change with what it was made from', () => {
  class Lying extends Uint8Array {
    override get length(): number {
      return 1_000;
    }
    override get byteLength(): number {
      return 1_000;
    }
  }
  class Other extends HeaderList {
    override clone(): HeaderList {
      return {} as HeaderList;
    }
  }
  const bytes = new Lying([1, 2, 3]);
  const made = new Reply(200, new Other(), bytes);
  assert.equal([made.body.length, made.headers.clone().length], [3, 0]);
  bytes[0] = 9;
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  assert.equal([...made.body], [1, 2, 3]);
  for (const key of ['status', 'headers', 'body']) {
    assert.throws(() => Object.defineProperty(made, key, { value: 99 }), TypeError);
  }
  assert.throws(() => made.headers.set('X', 'y'), TypeError);
});

making('cannot be a retry in anything but the name of a pool', () => {
  for (const wrong of [5, {}, null, { toString: fail }]) {
    assert.throws(() => retry({ pool: wrong as unknown as string }), /the name of a pool/);
  }
});
