// The life of a request: what each stage may do, and what happens to the request then.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { Upstream } from '../../../core/pool/pool.ts';
import { Attempt } from '../../../core/request/attempt.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
import type { RequestHooks } from '../../../core/stages/request-hooks.ts';
import {
  firstAvailable,
  type TestWorkerSide,
  upstreamRecord,
  type WorkerSideOptions,
  workerSide,
} from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';
import { rejectionOf } from '../../support/weldr-error.ts';

const two = { upstreams: ['http://a:1', 'http://b:1'] };

function plugin(name: string, tap: (hooks: RequestHooks) => void): Plugin {
  return { name, worker: ({ hooks }) => tap(hooks) };
}

/** A worker with hooks to tap, before the balancer. */
async function worker(
  tap: (hooks: RequestHooks) => void,
  options: WorkerSideOptions = two,
): Promise<TestWorkerSide> {
  return await workerSide([plugin('tested', tap), firstAvailable], options);
}

const ids = (upstreams: readonly Upstream[]): string[] => upstreams.map(upstream => upstream.id);

const request = suite('the stage request');

request('calls every tap until one replies, whatever earlier ones did', async () => {
  const asked: string[] = [];
  const side = await worker(hooks => {
    hooks.request.tap('one', () => void asked.push('one'));
    hooks.request.tapPromise('two', async () => void asked.push('two'));
    hooks.request.tapAsync('three', (_, done) => {
      asked.push('three');
      done(null, reply(403));
    });
    hooks.request.tap('four', () => void asked.push('four'));
  });
  const result = await side.run();
  assert.equal(asked, ['one', 'two', 'three']);
  assert.equal([result.status, result.sent.length, result.attempts.length], [403, 0, 0]);
});

request('runs before the balancer chooses, wherever the filter is', async () => {
  const filter = plugin('filter', hooks => hooks.request.tap('filter', () => reply(403)));
  for (const plugins of [
    [filter, firstAvailable],
    [firstAvailable, filter],
  ]) {
    const side = await workerSide(plugins, two);
    assert.is((await side.run()).status, 403);
  }
});

const route = suite('the stage route');

route('leads to a pool', async () => {
  const upstreams = { default: ['http://a:1'], blue: ['http://b:1'] };
  const side = await workerSide(
    {
      name: 'to-blue',
      worker: ({ hooks, pools }) => hooks.route.tap('to-blue', () => pools.ensure('blue')),
    },
    { upstreams },
  );
  const result = await side.run();
  assert.equal([result.pool.name, result.route, result.upstream?.id], ['blue', undefined, 'http://b:1']);
});

route('leads to a route, whose name and pool the request then has', async () => {
  const seen: unknown[] = [];
  const side = await workerSide(
    [
      {
        name: 'routes',
        worker({ hooks, pools, route: make }) {
          const blue = make('the-blue', pools.ensure('blue'));
          hooks.route.tap('routes', () => blue);
          hooks.selectUpstream.tap('routes', ctx => void seen.push(ctx.route, ctx.pool));
        },
      },
      firstAvailable,
    ],
    { upstreams: { blue: ['http://b:1'] } },
  );
  const result = await side.run();
  assert.equal([result.pool.name, result.route, result.status], ['blue', 'the-blue', 200]);
  assert.equal(seen, [result.ctx.route, result.pool]);
});

route('replies', async () => {
  const side = await worker(hooks =>
    hooks.route.tap('old', () => reply(308, '', { Location: 'https://shop.example/' })),
  );
  const result = await side.run();
  assert.equal([result.status, result.headers.get('location')], [308, 'https://shop.example/']);
});

route('leads to the default pool when no tap decides; the first decision wins', async () => {
  const side = await workerSide(
    {
      name: 'routes',
      worker({ hooks, pools }) {
        hooks.route.tap('silent', () => undefined);
        hooks.route.tap('first', ctx => (ctx.request.target === '/blue' ? pools.ensure('blue') : undefined));
        hooks.route.tap('second', ctx =>
          ctx.request.target === '/blue' ? pools.ensure('green') : undefined,
        );
      },
    },
    { upstreams: { default: ['http://a:1'], blue: ['http://b:1'], green: ['http://c:1'] } },
  );
  assert.is((await side.run({ target: '/' })).pool.name, 'default');
  assert.is((await side.run({ target: '/blue' })).pool.name, 'blue');
});

route('takes only a route with a name and a pool', async () => {
  for (const [name, pool] of [
    ['x', undefined],
    ['x', { name: 'default' }],
    ['', 'pool'],
    [5, 'pool'],
  ]) {
    const side = workerSide({
      name: 'careless',
      worker: ({ route: make, pools }) => {
        make(name as never, (pool === 'pool' ? pools.default : pool) as never);
      },
    });
    assert.match((await rejectionOf(side)).message, /plugin careless did not start: .*route/);
  }
});

/** All requests take a route that makes a reply, with these plugins in its scope. */
const answering = (make: (ctx: ProxyContext) => unknown, ...plugins: readonly Plugin[]): Plugin => ({
  name: 'routes',
  children: [{ scope: { kind: 'route', name: 'hello' }, plugins }],
  worker({ hooks, route: routeTo }) {
    const hello = routeTo('hello', make as never);
    hooks.route.tap('routes', () => hello);
  },
});

route('leads to a route that makes a reply, without a pool', async () => {
  const seen: unknown[] = [];
  const ofPool: Plugin = {
    name: 'of-pool',
    worker: ({ hooks }) => void hooks.respond.tap('of-pool', () => void seen.push('pool')),
  };
  const side = await workerSide(
    answering(ctx => reply(203, ctx.request.target)),
    { upstreams: ['http://a:1'], pools: { default: [ofPool] } },
  );
  const result = await side.run({ target: '/x' });
  assert.equal([result.status, result.reply?.body, result.route], [203, '/x', 'hello']);
  assert.equal([result.attempts, seen, result.ctx.response?.plugin], [[], [], 'routes']);
});

route('lets the plugins of a route admit a request before its reply, and edit the reply', async () => {
  const own: Plugin = {
    name: 'own',
    worker({ hooks }) {
      hooks.request.tapPromise('own', async ctx =>
        ctx.request.target === '/closed' ? reply(403) : undefined,
      );
      hooks.respond.tap('own', ctx => ctx.response?.headers.set('X-Own', 'yes'));
    },
  };
  const side = await workerSide(
    answering(() => reply(200), own),
    { upstreams: ['http://a:1'] },
  );
  const [open, closed] = [await side.run(), await side.run({ target: '/closed' })];
  assert.equal([open.status, open.headers.get('x-own')], [200, 'yes']);
  assert.equal([closed.status, closed.headers.get('x-own')], [403, 'yes']);
});

route('fails a request whose route makes no reply, and names the plugin', async () => {
  for (const make of [
    () => undefined,
    () => 'x',
    async () => reply(200),
    () => {
      throw new Error('broken');
    },
  ]) {
    const side = await workerSide(answering(make), { upstreams: ['http://a:1'] });
    const { status, error } = await side.run();
    assert.is(status, 500);
    assert.match(error?.message ?? '', /plugin routes in route: /);
  }
});

const eligible = suite('eligible');

eligible('has another upstream replace one that is refused', async () => {
  let draws = 0;
  const side = await worker(hooks => {
    hooks.eligible.tap('no a', (_, upstream) => upstream.id !== 'http://a:1');
    hooks.selectUpstream.tap('in turn', ctx => ctx.pool.available[draws++ % 2]);
  });
  assert.equal(ids((await side.run()).attempts), ['http://b:1']);
  assert.is(draws, 2);
});

eligible('looks at all upstreams after a few choices, first at those not tried', async () => {
  let draws = 0;
  const upstreams = ['http://a:1', 'http://b:1', 'http://c:1'];
  const side = await worker(
    hooks => {
      hooks.eligible.tap('no a', (_, upstream) => upstream.id !== 'http://a:1');
      hooks.selectUpstream.tap('always a', ctx => {
        draws++;
        return ctx.pool.get('http://a:1');
      });
      hooks.judge.tap('again', ctx => (ctx.attempts.length < 3 ? retry : undefined));
    },
    { upstreams },
  );
  const { attempts } = await side.run({ answers: ['CONNECT_FAILED'] });
  const [first, second, third] = ids(attempts);
  assert.equal([first, second].sort(), ['http://b:1', 'http://c:1']);
  assert.ok(third === first || third === second, 'when all were tried, one of these');
  assert.is(draws, 12);
});

eligible('that refuses all upstreams acts like an empty pool: the fallback, then 503', async () => {
  const options = { upstreams: { default: ['http://a:1'], spare: ['http://s:1'] } };
  const tap = (hooks: RequestHooks): void => {
    hooks.eligible.tap(
      'not in default',
      (ctx, upstream) => ctx.pool.name !== 'default' && upstream.available,
    );
  };
  const side = await worker(tap, { ...options, fallbacks: { default: 'spare' } });
  assert.equal(ids((await side.run()).attempts), ['http://s:1']);
  const alone = await worker(tap, options);
  const result = await alone.run();
  assert.equal(
    [result.status, result.error?.message],
    [503, 'no upstream of pool default is available (1 known: 1 active)'],
  );
});

eligible('is not called for an upstream that has left its pool in the meantime', async () => {
  let draws = 0;
  const side = await worker(hooks => {
    hooks.selectUpstream.tap('remembers', ctx => {
      if (draws++ > 0) return undefined;
      const gone = ctx.pool.get('http://a:1');
      ctx.pool.delete('http://a:1');
      return gone;
    });
  });
  assert.equal(ids((await side.run()).attempts), ['http://b:1']);
});

const backup = suite('a backup');

backup('gets a retry once all others were tried, before any of them is tried again', async () => {
  const side = await worker(
    hooks => {
      hooks.selectUpstream.tap('in turn', ({ pool, tried }) => pool.available[tried.length % 2]);
      hooks.judge.tap('again', ctx => (ctx.attempts.length < 4 ? retry : undefined));
    },
    { upstreams: ['http://a:1', 'http://b:1', { url: 'http://c:1', backup: true }] },
  );
  const { attempts } = await side.run({ answers: ['CONNECT_FAILED'] });
  assert.equal(ids(attempts), ['http://a:1', 'http://b:1', 'http://c:1', 'http://b:1']);
});

backup('gets no retry if only the connection was stale', async () => {
  const side = await worker(
    hooks => {
      hooks.selectUpstream.tap('first', ({ pool }) => pool.available[0]);
      hooks.judge.tap('again', ctx => (ctx.attempts.length < 2 ? retry : undefined));
    },
    { upstreams: ['http://a:1', { url: 'http://c:1', backup: true }] },
  );
  const { attempts } = await side.run({ answers: ['STALE_CONNECTION'] });
  assert.equal(ids(attempts), ['http://a:1', 'http://a:1']);
});

backup('gets a request for which no other is eligible', async () => {
  const side = await worker(
    hooks => {
      hooks.eligible.tap('no a', (_, upstream) => upstream.id !== 'http://a:1');
      hooks.selectUpstream.tap('first', ({ pool }) => pool.available[0]);
    },
    { upstreams: ['http://a:1', { url: 'http://c:1', backup: true }], fallbacks: { default: 'spare' } },
  );
  assert.equal(ids((await side.run()).attempts), ['http://c:1']);
});

backup('is asked before the fallback of its pool', async () => {
  const side = await worker(hooks => hooks.selectUpstream.tap('first', ({ pool }) => pool.available[0]), {
    upstreams: {
      default: [
        { url: 'http://a:1', state: 'down' },
        { url: 'http://c:1', backup: true },
      ],
      spare: ['http://s:1'],
    },
    fallbacks: { default: 'spare' },
  });
  assert.equal(ids((await side.run()).attempts), ['http://c:1']);
  side.pools.default.delete('http://c:1');
  assert.equal(ids((await side.run()).attempts), ['http://s:1']);
});

backup('with the fewest requests for its weight gets a retry', async () => {
  const upstreams = [
    'http://a:1',
    { url: 'http://b:1', backup: true as const },
    { url: 'http://c:1', backup: true as const, weight: 3 },
  ];
  const side = await worker(
    hooks => {
      hooks.selectUpstream.tap('first', ({ pool }) => pool.available[0]);
      hooks.judge.tap('again', ctx => (ctx.attempts.length < 2 ? retry : undefined));
    },
    { upstreams },
  );
  assert.equal(ids((await side.run({ answers: ['CONNECT_FAILED'] })).attempts), ['http://a:1', 'http://c:1']);
});

const fallback = suite('the fallback of a pool');

fallback(
  'is used when no upstream of the pool is available, then the fallback of that pool, each pool once',
  async () => {
    const side = await worker(() => {}, {
      upstreams: { default: [{ url: 'http://a:1', state: 'down' }], one: [], two: ['http://c:1'] },
      fallbacks: { default: 'one', one: 'two', two: 'default' },
    });
    assert.equal(ids((await side.run()).attempts), ['http://c:1']);
    side.pools.get('two')?.delete('http://c:1');
    const result = await side.run();
    assert.is(result.status, 503);
    assert.is(result.pool.name, 'two');
    assert.is(result.headers.get('retry-after'), '5');
  },
);

fallback('that does not exist, or is not set, ends in 503 with a count of states', async () => {
  const side = await worker(() => {}, {
    upstreams: [
      { url: 'http://a:1', state: 'down' },
      { url: 'http://b:1', state: 'down' },
      { url: 'http://c:1', state: 'draining' },
    ],
    fallbacks: { default: 'nowhere' },
  });
  const result = await side.run();
  assert.equal([result.status, result.error?.code], [503, 'NO_UPSTREAM']);
  assert.is(result.error?.message, 'no upstream of pool default is available (3 known: 2 down, 1 draining)');
});

fallback(
  'is asked after the last upstream has failed; then the failure is what the client gets',
  async () => {
    const tap = (hooks: RequestHooks): void => {
      hooks.selectUpstream.tap('untried', () => undefined);
      hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry));
    };
    const untried = plugin('untried', hooks =>
      hooks.selectUpstream.tap('untried', ctx => ctx.pool.available.find(u => !ctx.tried.includes(u))),
    );
    const options = {
      upstreams: { default: ['http://a:1'], spare: ['http://s:1'] },
      fallbacks: { default: 'spare' },
    };
    const side = await workerSide([plugin('tested', tap), untried], options);
    const saved = await side.run({ answers: ['CONNECT_FAILED', 200] });
    assert.equal([saved.status, saved.pool.name, saved.error], [200, 'spare', undefined]);
    const lost = await side.run({ answers: ['CONNECT_FAILED', 'RESPONSE_TIMEOUT'] });
    assert.equal([lost.status, lost.error?.code], [504, 'RESPONSE_TIMEOUT']);
  },
);

const judge = suite('judge');

judge('retries a response and a failed attempt', async () => {
  const side = await worker(hooks =>
    hooks.judge.tap('again', ctx =>
      ctx.error !== undefined || ctx.response?.status === 503 ? retry : undefined,
    ),
  );
  const result = await side.run({ answers: ['CONNECT_FAILED', 503, 200] });
  assert.equal([result.status, result.attempts.length], [200, 3]);
  assert.equal(
    result.ctx.attempts.map(attempt => [attempt.status, attempt.error?.code]),
    [
      [0, 'CONNECT_FAILED'],
      [503, undefined],
      [200, undefined],
    ],
  );
});

judge('retries in another pool', async () => {
  const side = await worker(
    hooks => hooks.judge.tap('spill', ctx => (ctx.status === 503 ? retry({ pool: 'spare' }) : undefined)),
    { upstreams: { default: ['http://a:1'], spare: ['http://s:1'] } },
  );
  const result = await side.run({ answers: [503, 200] });
  assert.equal(ids(result.attempts), ['http://a:1', 'http://s:1']);
  assert.equal([result.status, result.pool.name], [200, 'spare']);
});

judge('fails with plugin and stage for a pool that does not exist', async () => {
  const side = await worker(hooks => {
    hooks.judge.tap('silent', () => undefined);
    hooks.judge.tap('spill', () => retry({ pool: 'nowhere' }));
  });
  const { status, error } = await side.run();
  assert.equal([status, error?.code, error?.stage], [500, 'PLUGIN_FAILED', 'judge']);
  assert.is(error?.message, 'plugin tested in judge: retry in pool nowhere, which does not exist');
});

judge('sees each attempt; its first answer wins', async () => {
  const seen: unknown[] = [];
  const side = await worker(hooks => {
    hooks.judge.tap('look', ctx => void seen.push(ctx.attempt?.status));
    hooks.judge.tap('again', ctx => (ctx.attempts.length < 3 ? retry : undefined));
    hooks.judge.tap('behind', () => void seen.push('behind'));
  });
  await side.run();
  assert.equal(seen, [200, 200, 200, 'behind']);
});

const postProxy = suite('postProxy');

postProxy('runs once, on the outcome that is kept, even a failure', async () => {
  const seen: unknown[] = [];
  const side = await worker(hooks => {
    hooks.judge.tap('again', ctx => (ctx.attempts.length < 3 ? retry : undefined));
    hooks.postProxy.tap('look', ctx => {
      seen.push([ctx.status, ctx.error?.code, ctx.response?.source, ctx.attempts.length]);
      ctx.response?.headers.set('X-Post', 'yes');
    });
  });
  const result = await side.run({ answers: [500, 'CONNECT_FAILED', 201] });
  assert.is(result.headers.get('x-post'), 'yes');
  assert.is((await side.run({ answers: ['CONNECT_FAILED'] })).status, 502);
  assert.equal(seen, [
    [201, undefined, 'upstream', 3],
    [0, 'CONNECT_FAILED', undefined, 3],
  ]);
});

postProxy('replaces a response or a failure with a reply', async () => {
  const side = await worker(hooks => hooks.postProxy.tap('page', () => reply(200, 'a page')));
  for (const answer of [500, 'CONNECT_FAILED'] as const) {
    const result = await side.run({ answers: [answer] });
    assert.equal([result.status, result.reply?.body], [200, 'a page']);
    assert.equal([result.ctx.response?.source, result.ctx.response?.plugin], ['plugin', 'tested']);
  }
});

const respond = suite('respond');

respond('sees an upstream’s response, a reply and an error, once each, and can edit them', async () => {
  const seen: unknown[] = [];
  const side = await worker(hooks => {
    hooks.request.tap('closed', ctx => (ctx.request.target === '/closed' ? reply(403, 'closed') : undefined));
    hooks.respond.tap('security', ctx => {
      seen.push([ctx.response?.status, ctx.response?.source]);
      ctx.response?.headers.set('X-Frame-Options', 'DENY');
    });
  });
  for (const result of [
    await side.run(),
    await side.run({ target: '/closed' }),
    await side.run({ answers: ['CONNECT_FAILED'] }),
  ]) {
    assert.is(result.headers.get('x-frame-options'), 'DENY');
  }
  assert.equal(seen, [
    [200, 'upstream'],
    [403, 'plugin'],
    [502, 'weldr'],
  ]);
});

respond('sets another status', async () => {
  const side = await worker(hooks =>
    hooks.respond.tap('hides', ctx => {
      if (ctx.response?.status === 502) ctx.response.status = 503;
    }),
  );
  assert.is((await side.run({ answers: ['CONNECT_FAILED'] })).status, 503);
  for (const status of [101, 199, 600, Number.NaN, '200']) {
    const wrong = await worker(hooks =>
      hooks.respond.tap('wrong', ctx => {
        if (ctx.response !== undefined) ctx.response.status = status as number;
      }),
    );
    assert.match(
      (await wrong.run()).error?.message ?? '',
      /plugin tested in respond: a response's status is/,
    );
  }
});

respond('replaces a reply or an error with a reply, but not an upstream’s response', async () => {
  const side = await workerSide(
    [
      plugin('page', hooks => {
        hooks.request.tap('closed', ctx => (ctx.request.target === '/closed' ? reply(403) : undefined));
        hooks.respond.tap('page', () => reply(503, 'a page', { 'X-Page': '1' }));
      }),
      plugin('behind', hooks =>
        hooks.respond.tap('behind', ctx => void ctx.response?.headers.append('X-Seen', String(ctx.status))),
      ),
      firstAvailable,
    ],
    two,
  );
  for (const options of [{ target: '/closed' }, { answers: ['CONNECT_FAILED'] as const }]) {
    const result = await side.run(options);
    assert.equal([result.status, result.reply?.body], [503, 'a page']);
    assert.equal(
      [...result.headers],
      [...reply(503, 'a page', { 'X-Page': '1', 'X-Seen': '503' }).headers].sort(
        (a, b) => order(a) - order(b),
      ),
    );
  }
  const result = await side.run();
  assert.is(result.status, 503, 'its own 500 is an error, which it replaces');
  assert.match(result.error?.message ?? '', /plugin page in respond: returned a reply for an upstream’s/);
});

const order = ([name]: readonly [string, string]): number =>
  ['X-Page', 'Content-Type', 'X-Seen'].indexOf(name);

respond('that throws causes a 500, and cannot loop', async () => {
  let calls = 0;
  const side = await worker(hooks =>
    hooks.respond.tap('broken', () => {
      calls++;
      throw new Error('no luck');
    }),
  );
  for (const answers of [[200], ['CONNECT_FAILED']] as const) {
    calls = 0;
    const result = await side.run({ answers });
    assert.equal([result.status, calls], [500, 2]);
    assert.is(result.error?.message, 'plugin tested in respond: no luck');
    assert.is(result.reply?.body, '500 a plugin failed\n');
  }
});

respond('never changes a reply that others share', async () => {
  const shared = reply(403, 'closed', { 'X-Shared': '1' });
  const side = await worker(hooks => {
    hooks.request.tap('closed', () => shared);
    hooks.respond.tap('edits', ctx => {
      ctx.response?.headers.append('X-Edit', 'yes');
      ctx.response?.headers.delete('X-Shared');
    });
  });
  for (let n = 0; n < 2; n++) {
    const { headers } = await side.run();
    assert.equal([headers.getAll('x-edit'), headers.has('x-shared')], [['yes'], false]);
  }
  assert.equal([shared.headers.has('x-edit'), shared.headers.get('x-shared')], [false, '1']);
  assert.throws(() => shared.headers.set('X-Edit', 'no'), /cannot be edited/);
});

respond('is the last that can edit the response', async () => {
  const seen: string[] = [];
  const side = await worker(hooks =>
    hooks.finished.tap('late', ctx => {
      for (const edit of [
        () => ctx.response?.headers.set('X-Late', '1'),
        () => {
          if (ctx.response !== undefined) ctx.response.status = 201;
        },
      ]) {
        try {
          edit();
        } catch (thrown) {
          seen.push(String(thrown));
        }
      }
    }),
  );
  const result = await side.run();
  assert.equal([result.status, result.headers.has('x-late')], [200, false]);
  assert.is(seen.length, 2);
});

const records = suite('attempt records');

records('describe each attempt: upstream, times, status and error', async () => {
  const side = await worker(hooks =>
    hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry)),
  );
  const { ctx } = await side.run({
    answers: [
      { error: 'UPSTREAM_RESET', reusedConnection: true, after: 20 },
      { status: 201, after: 30 },
    ],
  });
  const begin = ctx.startedAt;
  assert.equal(
    ctx.attempts.map(attempt => ({
      upstream: attempt.upstream.id,
      startedAt: attempt.startedAt - begin,
      sentAt: attempt.sentAt - begin,
      respondedAt: attempt.respondedAt === 0 ? 0 : attempt.respondedAt - begin,
      finishedAt: attempt.finishedAt - begin,
      status: attempt.status,
      error: attempt.error?.code,
      reused: attempt.reusedConnection,
    })),
    [
      {
        upstream: 'http://a:1',
        startedAt: 0,
        sentAt: 0,
        respondedAt: 0,
        finishedAt: 20,
        status: 0,
        error: 'UPSTREAM_RESET',
        reused: true,
      },
      {
        upstream: 'http://b:1',
        startedAt: 20,
        sentAt: 20,
        respondedAt: 50,
        finishedAt: 50,
        status: 201,
        error: undefined,
        reused: false,
      },
    ],
  );
  assert.is(ctx.attempt, ctx.attempts[1]);
});

records('end with attemptFinished once each, and the request with finished', async () => {
  const seen: string[] = [];
  const side = await worker(hooks => {
    hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry));
    hooks.attemptFinished.tap(
      'count',
      ctx => void seen.push(`attempt ${ctx.upstream?.id} ${ctx.attempt?.status}`),
    );
    hooks.finished.tap('count', ctx => void seen.push(`finished ${ctx.status} ${ctx.upstream?.id}`));
  });
  await side.run({ answers: ['CONNECT_FAILED', 200] });
  assert.equal(seen, ['attempt http://a:1 0', 'attempt http://b:1 200', 'finished 200 http://b:1']);
});

const edits = suite('edits of the outgoing request');

/** Fails twice, then succeeds. */
const stubborn = { answers: ['CONNECT_FAILED', 'CONNECT_FAILED', 200] as const };
const again = (hooks: RequestHooks): void => {
  hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry));
};

for (const stage of ['request', 'route'] as const) {
  edits(`made in ${stage} apply to all attempts: a prefix is stripped once`, async () => {
    const side = await worker(hooks => {
      hooks[stage].tap('strip', ctx => {
        ctx.outgoing.target = ctx.outgoing.target.replace(/^\/api/, '');
        ctx.outgoing.method = 'PUT';
        ctx.outgoing.headers.append('X-Base', '1');
        return undefined;
      });
      again(hooks);
    });
    const { sent, ctx } = await side.run({ target: '/api/api/users', ...stubborn });
    assert.equal(
      sent.map(s => [s.method, s.target, s.headers.getAll('x-base')]),
      Array.from({ length: 3 }, () => ['PUT', '/api/users', ['1']]),
    );
    assert.equal([ctx.request.method, ctx.request.target], ['GET', '/api/api/users']);
    assert.is(ctx.request.headers.has('x-base'), false);
  });
}

for (const stage of ['selectUpstream', 'preProxy'] as const) {
  edits(`made in ${stage} apply to one attempt: a retry doubles nothing`, async () => {
    const side = await worker(hooks => {
      hooks.request.tap('base', ctx => void ctx.outgoing.headers.append('X-List', 'base'));
      hooks[stage].tap('adds', ctx => {
        ctx.outgoing.headers.append('X-List', `${ctx.attempts.length}`);
        ctx.outgoing.target += 'x';
        ctx.outgoing.host = `h${ctx.attempts.length}.test`;
        return undefined;
      });
      again(hooks);
    });
    const { sent } = await side.run(stubborn);
    const first = stage === 'preProxy' ? 1 : 0;
    assert.equal(
      sent.map(s => [s.target, s.headers.getAll('x-list'), s.headers.getAll('host')]),
      [0, 1, 2].map(n => ['/x', ['base', `${first + n}`], [`h${first + n}.test`]]),
    );
  });
}

edits('of one attempt do not change the pool of the next one', async () => {
  const side = await workerSide(
    [
      {
        name: 'strip',
        worker({ hooks, pools }) {
          hooks.route.tap('strip', ctx =>
            ctx.request.target.startsWith('/api/') ? pools.ensure('api') : undefined,
          );
          hooks.preProxy.tap('strip', ctx => {
            ctx.outgoing.target = ctx.outgoing.target.replace('/api', '');
            return undefined;
          });
          again(hooks);
        },
      },
      firstAvailable,
    ],
    { upstreams: { default: ['http://d:1'], api: ['http://a:1', 'http://b:1'] } },
  );
  const { sent } = await side.run({ target: '/api/users', answers: ['CONNECT_FAILED', 200] });
  assert.equal(
    sent.map(s => [s.upstream.pool, s.target]),
    [
      ['api', '/users'],
      ['api', '/users'],
    ],
  );
});

edits('of one attempt do not reach the next pool', async () => {
  const side = await worker(
    hooks => {
      hooks.preProxy.tap('adds', ctx => {
        if (ctx.pool.name === 'default') ctx.outgoing.headers.set('X-Default', '1');
        return undefined;
      });
      hooks.judge.tap('spill', ctx => (ctx.status === 503 ? retry({ pool: 'spare' }) : undefined));
    },
    { upstreams: { default: ['http://a:1'], spare: ['http://s:1'] } },
  );
  const { sent } = await side.run({ answers: [503, 200] });
  assert.equal(
    sent.map(s => s.headers.get('x-default')),
    ['1', undefined],
  );
});

edits('of a choice are kept, those of earlier attempts are not', async () => {
  let draws = 0;
  const side = await worker(hooks => {
    hooks.selectUpstream.tap('in turn', ctx => {
      ctx.outgoing.headers.set('X-Draw', String(++draws));
      return ctx.pool.available[draws - 1];
    });
    hooks.eligible.tap('no a', (_, upstream) => upstream.id !== 'http://a:1');
  });
  const { sent } = await side.run();
  assert.is(sent[0]?.headers.get('x-draw'), '2');
});

const sides = suite('what a request leaves behind');

sides('aborts its signal at the end, however it ended', async () => {
  for (const answer of [200, 'CONNECT_FAILED', 'CLIENT_CLOSED'] as const) {
    let signal: AbortSignal | undefined;
    let before: boolean | undefined;
    const side = await worker(hooks => {
      hooks.request.tap('keeps', ctx => {
        signal = ctx.signal;
        return undefined;
      });
      hooks.attemptFinished.tap('looks', () => {
        before = signal?.aborted;
      });
    });
    const { ctx } = await side.run({ answers: [answer] });
    assert.equal([before, signal?.aborted], [false, true]);
    assert.is(ctx.signal, signal);
    const late = await (await worker(() => {})).run();
    assert.is(late.ctx.signal.aborted, true, 'asked for after the end');
  }
});

sides('shows the notes of its plugins, a bounded number of them', async () => {
  const side = await worker(hooks => {
    hooks.request.tap('notes', ctx => {
      for (let n = 0; n < 100; n++) ctx.note(`${n} ${'x'.repeat(1000)}`);
      return undefined;
    });
  });
  const { notes } = await side.run();
  assert.is(notes.length, 32);
  assert.ok(notes.every((note, n) => note.startsWith(`${n} x`) && note.length === 256));
  assert.equal((await (await worker(() => {})).run()).notes, []);
});

records('begin after an asynchronous stage has ended', async () => {
  const side = await worker(hooks =>
    hooks.request.tapPromise('slow', async () => {
      await undefined;
      side.clock.advance(40);
      return undefined;
    }),
  );
  const { ctx } = await side.run({ answers: [{ status: 200, after: 2 }] });
  assert.equal([(ctx.attempt?.startedAt ?? 0) - ctx.startedAt, ctx.finishedAt - ctx.startedAt], [40, 42]);
});

records('have the time at which the first connection was started', () => {
  const attempt = new Attempt(new Upstream('default', upstreamRecord('http://a:1')), 1000);
  assert.equal([attempt.connectingAt, attempt.sentAt], [0, 0]);
  attempt.connecting(1010);
  attempt.connecting(1020);
  attempt.sent(1030);
  assert.equal([attempt.connectingAt, attempt.sentAt], [1010, 1030]);
});
