// weldr/testing itself: what plugin authors rely on when a test of theirs passes.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { checkConfig } from '../core/config/config.ts';
import { WeldrError } from '../core/errors.ts';
import { duration } from '../core/options/duration.ts';
import { channel, definePlugin, withId } from '../core/plugin/define-plugin.ts';
import type { Plugin } from '../core/plugin/plugin.ts';
import { contextSlot } from '../core/request/context-slot.ts';
import { reply } from '../core/request/reply.ts';
import { retry } from '../core/request/retry.ts';
import {
  context,
  FakeClock,
  firstAvailable,
  managerSide,
  pool,
  settle,
  workerSide,
} from '../core/testing.ts';
import { suite } from './support/suite.ts';

const clock = suite('FakeClock');

clock('runs timers at their own times and in their order', () => {
  const time = new FakeClock();
  const begin = time.monotonic();
  const seen: [string, number][] = [];
  const see = (name: string) => seen.push([name, time.monotonic() - begin]);
  time.after(20, () => see('late'));
  time.after(10, () => {
    see('early');
    time.after(5, () => see('nested'));
  });
  time.after(10, () => see('early too'));
  time.advance(9);
  assert.equal(seen, []);
  time.advance(11);
  assert.equal(seen, [
    ['early', 10],
    ['early too', 10],
    ['nested', 15],
    ['late', 20],
  ]);
  assert.is(time.monotonic() - begin, 20);
  assert.is(time.pending, 0);
});

clock('repeats until cancelled, also from within', () => {
  const time = new FakeClock();
  let calls = 0;
  const cancel = time.every(100, () => {
    if (++calls === 3) cancel();
  });
  time.advance(1000);
  assert.is(calls, 3);
  assert.is(time.pending, 0);
});

clock('moves wall and monotonic time together', () => {
  const time = new FakeClock(5000);
  time.advance(250);
  assert.is(time.now(), 5250);
  assert.is(time.monotonic(), 1250);
});

clock('lets promises settle between timers when asked to', async () => {
  const time = new FakeClock();
  const seen: string[] = [];
  time.after(1, () => void Promise.resolve().then(() => seen.push('promise of the first')));
  time.after(2, () => seen.push('second'));
  await time.advanceAsync(2);
  assert.equal(seen, ['promise of the first', 'second']);
});

clock('ends with an error when timers set themselves again without end', () => {
  const time = new FakeClock();
  const again = () => void time.after(1, again);
  again();
  assert.throws(() => time.advance(10_000_000), /again forever/);
});

const run = suite('a run');

run('goes through the stages in order and returns what it did', async () => {
  const seen: string[] = [];
  const watcher: Plugin = {
    name: 'watcher',
    worker({ hooks }) {
      hooks.selectUpstream.tap('watcher', () => void seen.push('select'));
      hooks.preProxy.tap('watcher', ctx => {
        seen.push(`pre ${ctx.upstream?.id}`);
        ctx.outgoing.headers.set('X-Seen', 'yes');
      });
      hooks.postProxy.tap(
        'watcher',
        ctx => void seen.push(`post ${ctx.status} ${ctx.response?.headers.get('etag')}`),
      );
      hooks.attemptFinished.tap('watcher', () => void seen.push('attempt finished'));
      hooks.finished.tap('watcher', ctx => void seen.push(`finished ${ctx.outcome}`));
    },
  };
  const side = await workerSide([watcher, firstAvailable], { upstreams: ['http://a:1'] });
  const result = await side.run({ answers: [{ status: 404, headers: { ETag: 'x' }, after: 30 }] });
  assert.equal(seen, ['select', 'pre http://a:1', 'post 404 x', 'attempt finished', 'finished complete']);
  assert.is(result.status, 404);
  assert.is(result.upstream?.id, 'http://a:1');
  assert.is(result.upstream?.inFlight, 0);
  assert.is(result.sent[0]?.headers.get('x-seen'), 'yes');
  assert.is(result.ctx.request.headers.has('x-seen'), false);
  assert.is(result.headers.get('etag'), 'x');
  assert.is((result.ctx.attempt?.respondedAt ?? 0) - result.ctx.startedAt, 30);
  assert.is(result.reply, undefined);
});

run('replies 503 when no plugin chooses an upstream', async () => {
  const side = await workerSide({
    name: 'nothing',
    worker: ({ hooks }) => hooks.selectUpstream.tap('nothing', () => undefined),
  });
  const result = await side.run();
  assert.is(result.status, 503);
  assert.is(result.error?.code, 'NO_UPSTREAM');
  assert.equal(result.attempts, []);
});

run('ends with a reply of request and of pre-proxy before anything is sent', async () => {
  for (const stage of ['request', 'preProxy'] as const) {
    let finished = 0;
    const side = await workerSide(
      [
        {
          name: 'gate',
          worker({ hooks }) {
            hooks[stage].tap('gate', () => reply(403, 'no'));
            hooks.finished.tap('gate', () => void finished++);
          },
        },
        firstAvailable,
      ],
      { upstreams: ['http://a:1'] },
    );
    const result = await side.run();
    assert.is(result.status, 403);
    assert.is(result.reply?.body, 'no');
    assert.is(finished, 1);
    assert.is(side.pools.default.get('http://a:1')?.inFlight, 0);
  }
});

const retrier: Plugin = {
  name: 'retrier',
  worker({ hooks }) {
    hooks.judge.tap('retrier', ctx => (ctx.error?.retry === 'safe' ? retry : undefined));
  },
};

run('retries, with a clean context, when judge says so', async () => {
  const side = await workerSide(retrier, { upstreams: ['http://a:1', 'http://b:1'] });
  const result = await side.run({ answers: ['CONNECT_FAILED', 201] });
  assert.is(result.status, 201);
  assert.is(result.error, undefined);
  assert.equal(
    result.attempts.map(u => u.id),
    ['http://a:1', 'http://b:1'],
  );
});

run('ends after ten attempts, whatever a plugin asks for', async () => {
  const side = await workerSide(retrier, { upstreams: ['http://a:1'] });
  const result = await side.run({ answers: ['CONNECT_FAILED'] });
  assert.is(result.attempts.length, 10);
  assert.is(result.status, 502);
});

run('does not retry a request that cannot be sent again', async () => {
  const side = await workerSide(retrier, { upstreams: ['http://a:1'] });
  const result = await side.run({ bodyLength: 10, answers: ['CONNECT_FAILED'] });
  assert.is(result.attempts.length, 1);
});

run('holds an attempt in flight until its answer arrives', async () => {
  const side = await workerSide(retrier, { upstreams: ['http://a:1'] });
  const answer = Promise.withResolvers<number>();
  const running = side.run({ answers: [answer.promise] });
  assert.is(side.pools.default.get('http://a:1')?.inFlight, 1);
  answer.resolve(200);
  assert.is((await running).status, 200);
  assert.is(side.pools.default.get('http://a:1')?.inFlight, 0);
});

run('shows a cut body and a client that left as aborted', async () => {
  const side = await workerSide(retrier, { upstreams: ['http://a:1'] });
  const cut = await side.run({ answers: [{ status: 200, cut: true }] });
  assert.is(cut.error?.code, 'BODY_CUT');
  assert.is(cut.ctx.outcome, 'aborted');
  const left = await side.run({ answers: ['CLIENT_CLOSED'] });
  assert.is(left.status, 499);
  assert.is(left.ctx.outcome, 'aborted');
});

run('fails with 500 and the name of the plugin that threw', async () => {
  const broken: Plugin = {
    name: 'broken',
    worker({ hooks }) {
      hooks.postProxy.tap('broken', () => {
        throw new Error('no luck');
      });
    },
  };
  const side = await workerSide(broken, { upstreams: ['http://a:1'] });
  const result = await side.run();
  assert.is(result.status, 500);
  assert.match(result.error?.message ?? '', /plugin broken in postProxy: no luck/);
});

const sides = suite('the two sides');

interface Ping {
  readonly text: string;
}

/** Counts the messages of its workers, and answers each. */
const talker = definePlugin({
  name: 'talker',
  channel: channel<Ping, Ping>(),
  worker({ channel: { send, onMessage }, hooks, log }) {
    onMessage(message => log.info(`got ${message.text}`));
    hooks.finished.tap('talker', () => send({ text: 'a request' }));
  },
  manager({ channel: end, admin }) {
    const heard: string[] = [];
    end.onMessage((message, worker) => {
      heard.push(`${worker}: ${message.text}`);
      end.send(worker, { text: `thanks, ${worker}` });
    });
    admin.add({
      method: 'GET',
      path: '/heard/:what',
      query: { q: 'what else' },
      handle: ({ params, query }) => ({ status: 200, body: { ...params, q: query.get('q'), heard } }),
    });
  },
})();

sides('talk over the channel of their plugin, in order and later', async () => {
  const manager = await managerSide(talker, { servers: ['http://a:1'] });
  const one = await workerSide(talker, { manager, id: 1 });
  const two = await workerSide(talker, { manager, id: 2 });
  await one.run();
  await two.run();
  await settle();
  const answer = await manager.admin('GET', '/heard/x%2Fy?q=1');
  assert.equal(answer.body, { what: 'x/y', q: '1', heard: ['1: a request', '2: a request'] });
  const refused: unknown = await manager.admin('GET', '/heard/x?z=1').catch((thrown: unknown) => thrown);
  assert.match(String(refused), 'GET /heard/x has no parameter "z"; it takes q');
  assert.is(
    two.logs.some(line => line.msg === 'got thanks, 2' && line.level === 'info'),
    true,
  );
  assert.is(
    one.logs.some(line => line.msg === 'got thanks, 2'),
    false,
  );
});

sides('give each worker a replica of the pools, kept up to date', async () => {
  const manager = await managerSide(talker, { servers: ['http://a:1', { url: 'http://b:1', weight: 3 }] });
  const worker = await workerSide(talker, { manager });
  assert.equal(
    [...worker.pools.default].map(u => [u.id, u.weight]),
    [
      ['http://a:1', 1],
      ['http://b:1', 3],
    ],
  );
  manager.pools.verdict('default', 'http://a:1', 'test', 'it is tired');
  assert.equal(
    worker.pools.default.available.map(u => u.id),
    ['http://b:1'],
  );
});

sides('drain servers: a removed one is gone when its last request has ended', async () => {
  const manager = await managerSide(talker, { servers: ['http://a:1'] });
  const worker = await workerSide(talker, { manager });
  const answer = Promise.withResolvers<number>();
  const running = worker.run({ answers: [answer.promise] });
  await manager.pools.remove('default', 'http://a:1');
  await settle();
  assert.is(worker.pools.default.get('http://a:1')?.state, 'draining');
  answer.resolve(200);
  await running;
  await settle();
  assert.is(worker.pools.default.get('http://a:1'), undefined);
});

sides('notify the manager when workers are ready and when they end, cleanly or not', async () => {
  const seen: string[] = [];
  const watcher: Plugin = {
    name: 'watcher',
    manager({ hooks }) {
      hooks.workerReady.tap('watcher', id => void seen.push(`ready ${id}`));
      hooks.workerExited.tap('watcher', id => void seen.push(`exited ${id}`));
    },
    worker({ id, onClose }) {
      onClose(() => void seen.push(`cleaned up ${id}`));
    },
  };
  const manager = await managerSide(watcher);
  const one = await workerSide(watcher, { manager, id: 1 });
  const two = await workerSide(watcher, { manager, id: 2 });
  await one.close();
  two.kill();
  assert.equal(seen, ['ready 1', 'ready 2', 'cleaned up 1', 'exited 1', 'exited 2']);
});

sides('deliver a message that was sent before the worker side listened', async () => {
  const heard: unknown[] = [];
  let listen = (): void => {};
  const eager: Plugin = {
    name: 'eager',
    manager({ channel: { send }, hooks }) {
      hooks.workerReady.tap('eager', worker => send(worker, 'ready'));
    },
    worker({ channel: { onMessage } }) {
      listen = () => onMessage(message => heard.push(message));
    },
  };
  const manager = await managerSide(eager);
  await workerSide(eager, { manager });
  await settle();
  assert.equal(heard, []);
  listen();
  assert.equal(heard, ['ready']);
});

sides('deliver messages to the instance that they are for', async () => {
  const seen: string[] = [];
  const echo = definePlugin({
    name: 'echo',
    schema: z.strictObject({ as: z.string() }),
    channel: channel<string, string>(),
    worker({ channel: { send } }, { as }) {
      send(as);
    },
    manager({ channel: { onMessage } }, { as }) {
      onMessage(message => void seen.push(`${as} got ${message}`));
    },
  });
  const plugins = [echo({ as: 'one' }), withId('second', echo({ as: 'two' }))];
  const manager = await managerSide(plugins);
  await workerSide(plugins, { manager });
  await settle();
  assert.equal(seen, ['one got one', 'two got two']);
});

/** The error of the check of a config for a list of plugins. */
function checkOf(plugins: readonly unknown[]): string {
  try {
    checkConfig({ plugins });
  } catch (thrown) {
    return thrown instanceof WeldrError ? thrown.message : '';
  }
  return 'valid';
}

sides('refuse a list of plugins as the check of a config does', async () => {
  const picky = definePlugin({ name: 'picky', schema: z.strictObject({ wait: duration() }) });
  const other: Plugin = { name: 'picky' };
  const lists: [plugins: readonly unknown[], message: RegExp][] = [
    [[picky({ wait: 'soon' })], /^plugins\[0\]\.wait: expected a duration/],
    [[picky({ wait: '1s' }), other], /^plugins\[1\]: plugins\[0\] is named picky already/],
    [[picky], /^plugins\[0\]: expected a plugin such as roundRobin\(\), got the function of picky: call it/],
    [[{ nam: 1 }], /^plugins\[0\]: expected a plugin/],
    [[{ name: 'old', contract: 1 }], /^plugins\[0\]: old is written for version 1/],
    [
      [
        { name: 'a', role: 'retry' },
        { name: 'b', role: 'retry' },
      ],
      /^plugins\[1\]: plugins\[0\] is the retry already/,
    ],
  ];
  for (const [plugins, message] of lists) {
    const said = checkOf(plugins);
    assert.match(said, message);
    for (const start of [workerSide, managerSide]) {
      const thrown = await start(plugins as readonly Plugin[]).then(
        () => undefined,
        error => error,
      );
      assert.equal([thrown?.code, thrown?.message], ['CONFIG_INVALID', said]);
    }
  }
});

sides('keep the memory of a plugin for the next start, separately for each instance', async () => {
  const counter = definePlugin({
    name: 'counter',
    memory: () => ({ starts: 0 }),
    manager({ memory }) {
      memory.starts++;
    },
  });
  const plugins = [counter(), withId('second', counter())];
  const before = await managerSide(counter(), { servers: ['http://a:1'] });
  const after = await managerSide(plugins, { previous: before });
  assert.equal(
    [after.memory.get('counter'), after.memory.get('counter#second')],
    [{ starts: 2 }, { starts: 1 }],
  );
  assert.is(after.pools, before.pools);
});

sides('run clean-ups last in first out, also after a start that failed half-way', async () => {
  const seen: string[] = [];
  const first: Plugin = { name: 'first', worker: ({ onClose }) => onClose(() => void seen.push('first')) };
  const second: Plugin = {
    name: 'second',
    async worker({ onClose }) {
      onClose(async () => void seen.push('second'));
      throw new Error('cannot start');
    },
  };
  await rejects(workerSide([first, second]), /cannot start/);
  assert.equal(seen, ['second', 'first']);
});

const parts = suite('what a test makes');

parts('is contexts and pools from the fields that matter', () => {
  const upstreams = pool(['http://a:1', { url: 'http://b:1/', state: 'down', weight: 7 }]);
  assert.equal(
    upstreams.available.map(u => u.id),
    ['http://a:1'],
  );
  assert.is(upstreams.get('http://b:1')?.weight, 7);
  const ctx = context({
    method: 'POST',
    headers: [
      ['a', '1'],
      ['A', '2'],
    ],
    bodyLength: -1,
    pool: upstreams,
  });
  assert.equal(ctx.request.headers.getAll('a'), ['1', '2']);
  assert.is(ctx.request.headers.get('host'), 'example.com');
  assert.is(ctx.replayable, false);
  const slot = contextSlot<number>('testing.test');
  ctx.set(slot, 3);
  assert.is(ctx.get(slot), 3);
});

async function rejects(promise: Promise<unknown>, expected: RegExp): Promise<void> {
  const thrown = await promise.then(
    () => undefined,
    error => error,
  );
  assert.instance(thrown, Error);
  if (thrown instanceof WeldrError) assert.ok(thrown.code);
  assert.match(String(thrown.message), expected);
}
