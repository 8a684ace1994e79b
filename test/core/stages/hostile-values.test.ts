// Thenables, rejections, errors and bytes that fight back when they are looked at: they fail the request for which they
// were returned or thrown, with plugin and stage, and harm nothing else.
import * as assert from 'uvu/assert';
import { errorTable, WeldrError } from '../../../core/errors.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import { settle, workerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';
import {
  type Act,
  asynchronous,
  looking,
  type Stage,
  stageTimeout,
  synchronous,
  Victim,
  waysOf,
} from './victim.ts';

const boom = (): never => {
  throw new Error('boom');
};
const everyTrap: ProxyHandler<object> = Object.fromEntries(
  Object.getOwnPropertyNames(Reflect).map(trap => [trap, boom]),
);

const returning = suite('a plugin that returns a hostile value');

returning('in selectUpstream: an upstream that left is not confused with a new one', async () => {
  const victim = await Victim.start('selectUpstream', 'tap');
  const { default: pool } = victim.side.pools;
  const before = pool.delete('http://a:1') ?? fail();
  const now = pool.set(before.record);
  const result = await victim.run(() => before, '/', 'one that left and came back');
  assert.is(result.status, 200);
  assert.ok(result.attempts.includes(now) && !result.attempts.includes(before));
  assert.is(before.inFlight, 0);
});

returning('in selectUpstream: an upstream that left the only pool causes 503', async () => {
  const stale: Plugin = {
    name: 'stale',
    worker({ hooks, pools }) {
      const left = pools.default.get('http://a:1');
      pools.default.delete('http://a:1');
      hooks.selectUpstream.tap('stale', () => left);
    },
  };
  const side = await workerSide(stale, { upstreams: ['http://a:1'] });
  const { status, error, attempts } = await side.run();
  assert.equal([status, error?.code, attempts.length], [503, 'NO_UPSTREAM', 0]);
});

const thenables: readonly [name: string, make: () => unknown, message: RegExp][] = [
  [
    'whose then throws',
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: this is what is tested
      then: boom,
    }),
    /boom$/,
  ],
  [
    'that rejects with a value that cannot be shown',
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: this is what is tested
      then: (_: unknown, reject: (why: unknown) => void) => reject(new Proxy({}, everyTrap)),
    }),
    /cannot be shown$/,
  ],
  [
    'that never calls back',
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: this is what is tested
      then() {},
    }),
    new RegExp(`took over ${stageTimeout} ms$`),
  ],
  [
    'that resolves with a function',
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: this is what is tested
      then: (resolve: (value: unknown) => void) => resolve(() => {}),
    }),
    /returned the function/,
  ],
  ['whose then exists only once', onceThenable, /is not a function|returned/],
];

/** Has a `then` only for the first read. */
function onceThenable(): object {
  let asked = 0;
  return Object.defineProperty({}, 'then', { get: () => (asked++ === 0 ? () => {} : 7), configurable: true });
}

for (const stage of asynchronous) {
  returning(`in ${stage}: a thenable from tapPromise is awaited, within bounds`, async () => {
    const victim = await Victim.start(stage, 'direct');
    for (const [name, make, message] of thenables) {
      const result = await victim.run(make, '/', `one ${name} in ${stage}`);
      assert.is(result.status, 500, name);
      assert.match(result.error?.message ?? '', message, name);
      await victim.runPlain(`one ${name} in ${stage}`);
    }
    const { side } = victim;
    assert.is(side.clock.pending, 0);
  });

  returning(`in ${stage}: a thenable or a promise from tap is a mistake, whatever it does`, async () => {
    const victim = await Victim.start(stage, 'tap');
    for (const [name, make] of thenables) {
      const result = await victim.run(make, '/', `one ${name} in ${stage}`);
      assert.is(result.status, 500, name);
      await victim.runPlain(`one ${name} in ${stage}`);
    }
  });

  returning(`in ${stage}: an async function given to tapAsync may reject`, async () => {
    const victim = await Victim.start(stage, 'tapAsync');
    const rejected = await victim.run(async () => boom(), '/', 'a rejection');
    assert.is(rejected.error?.message, `plugin spoiler in ${stage}: boom`);
    await victim.runPlain('a rejection');
    const late = await victim.run(
      async (_ctx, _upstream, done) => {
        done();
        await settle();
        boom();
      },
      '/',
      'a late rejection',
    );
    assert.is(late.status, 200);
    await settle();
    await settle();
    assert.match(victim.side.reported[0]?.message ?? '', `plugin spoiler in ${stage}: boom`);
  });
}

const throwing = suite('a plugin that throws a hostile value');

class Disguised extends WeldrError {
  override get status(): number {
    return boom();
  }
}

class Unlikely extends WeldrError {
  override get status(): number {
    return 99;
  }
}

const thrown: readonly [name: string, make: () => unknown][] = [
  ['a proxy whose every trap throws', () => new Proxy({}, everyTrap)],
  ['a proxy that throws itself', thrownByItself],
  ['a proxy of an error', () => new Proxy(new Error('inner'), everyTrap)],
  ['an error whose message throws', () => Object.defineProperty(new Error(), 'message', { get: boom })],
  ['an error whose message is an object', () => Object.assign(new Error(), { message: { toString: boom } })],
  ['an error whose stack throws', () => Object.defineProperty(new Error('x'), 'stack', { get: boom })],
  ['an error whose stack is an object', () => Object.assign(new Error('x'), { stack: { toJSON: boom } })],
  ['an error whose cause throws', () => Object.defineProperty(new Error('x'), 'cause', { get: boom })],
  ['an error that is its own cause', ownCause],
  ['a symbol', () => Symbol('odd')],
  ['an error of Weldr whose status throws', () => new Disguised('BAD_REQUEST')],
  ['an error of Weldr without a valid status', () => new Unlikely('BAD_REQUEST')],
  ['an error of Weldr with an unknown code', () => new WeldrError('NO_SUCH_CODE' as 'INTERNAL')],
  [
    'an error of Weldr whose plugin is an object',
    () => new WeldrError('PLUGIN_FAILED', 'x', { plugin: { toJSON: boom } as unknown as string }),
  ],
];

function ownCause(): Error {
  const error = new Error('x');
  error.cause = error;
  return error;
}

function thrownByItself(): unknown {
  const proxy: object = new Proxy(
    {},
    Object.fromEntries(
      Object.getOwnPropertyNames(Reflect).map(trap => [
        trap,
        () => {
          throw proxy;
        },
      ]),
    ),
  );
  return proxy;
}

for (const stage of [...asynchronous, ...synchronous, ...looking]) {
  throwing(`in ${stage} fails its request, or is reported where none can fail`, async () => {
    for (const way of waysOf(stage)) {
      const victim = await Victim.start(stage, way);
      for (const [name, make] of thrown) {
        const what = `${name} thrown in ${stage} (${way})`;
        const before = victim.side.reported.length;
        const act: Act = () => {
          throw make();
        };
        const result = await victim.run(act, '/', what);
        if (looking.some(each => each === stage)) {
          assert.is(result.status, 200, what);
          assertNamed(victim.side.reported[before], stage, what);
        } else {
          assertNamed(result.error, stage, what);
        }
        await victim.runPlain(what);
      }
    }
  });
}

throwing('in tapAsync fails its request by the callback or by a rejection', async () => {
  for (const stage of asynchronous) {
    const victim = await Victim.start(stage, 'tapAsync');
    for (const [name, make] of thrown) {
      const acts: Act[] = [(_ctx, _upstream, done) => done(make()), () => Promise.reject(make())];
      for (const act of acts) {
        const result = await victim.run(act, '/', `${name} in ${stage}`);
        assertNamed(result.error, stage, name);
        await victim.runPlain(name);
      }
    }
  }
});

throwing('an error of Weldr that blames the client keeps its status', async () => {
  const limit: Plugin = {
    name: 'limit',
    worker({ hooks }) {
      hooks.request.tap('limit', () => {
        throw new WeldrError('BODY_TOO_LARGE', 'over the limit of this tenant');
      });
    },
  };
  const { status, error } = await (await workerSide(limit)).run();
  assert.equal([status, error?.message], [413, 'over the limit of this tenant']);
});

function assertNamed(error: WeldrError | undefined, stage: Stage, what: string): void {
  assert.equal([error?.code, error?.plugin, error?.stage], ['PLUGIN_FAILED', 'spoiler', stage], what);
  assert.match(error?.message ?? '', `plugin spoiler in ${stage}: `, what);
}

const spoiling = suite('what Weldr hands out');

spoiling('the error table and the fields of errors cannot be changed', () => {
  assert.not(Reflect.set(errorTable.CONNECT_FAILED, 'status', 99));
  assert.not(Reflect.set(errorTable, 'CONNECT_FAILED', {}));
  assert.not(Reflect.defineProperty(WeldrError.prototype, 'status', { get: boom }));
});

function fail(): never {
  throw new Error('it is not there');
}

const replies = suite('a reply');

replies('keeps its bytes, whatever happens to the copies that it hands out', () => {
  const made = reply(200, new Uint8Array([1, 2, 3]));
  for (const key of ['length', 'byteLength', 'byteOffset', 'buffer', 'subarray', 'constructor']) {
    Object.defineProperty(made.body, key, { value: 1e9 });
  }
  assert.is(made.body.length, 3);
  assert.equal([...Buffer.from(made.body)], [1, 2, 3]);
});

replies('is empty once the memory of its bytes was transferred', () => {
  const made = reply(200, new Uint8Array([1, 2, 3]));
  const { body } = made;
  if (typeof body !== 'string') structuredClone(body.buffer, { transfer: [body.buffer as ArrayBuffer] });
  Object.defineProperty(made.body, 'length', { value: 1e9 });
  assert.is(made.body.length, 0);
});
