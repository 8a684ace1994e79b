// A request that moves to another pool, by retry({ pool }) or a fallback: whose plugins it meets, and what it keeps.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../core/plugin/plugin.ts';
import { reply } from '../../core/request/reply.ts';
import { retry } from '../../core/request/retry.ts';
import type { SettingsInput } from '../../core/settings/settings.ts';
import { maxAttempts } from '../../core/stages/pipeline.ts';
import type { RequestHooks } from '../../core/stages/request-hooks.ts';
import { firstAvailable, type WorkerSideOptions, workerSide } from '../../core/testing.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxyOf, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf, valuesOf } from './support/strict-message.ts';

const get = 'GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n';
const post = 'POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello';
const busy = 'HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy';

/** The plugins of the config and of the pools `default`, `spare` and `third`, each given by its taps. */
interface Taps {
  readonly config?: (hooks: RequestHooks, log: (what: string) => void) => void;
  readonly pools?: Readonly<Record<string, (hooks: RequestHooks, log: (what: string) => void) => void>>;
}

interface Setup extends Taps {
  /** The response of each pool's origin. A pool without one has no upstream. */
  readonly origins: Readonly<Record<string, () => string>>;
  readonly fallbacks?: WorkerSideOptions['fallbacks'];
  readonly settings?: SettingsInput;
}

interface Ends {
  readonly client: RawClient;
  readonly proxy: TestProxy;
  readonly origins: Readonly<Record<string, ScriptedOrigin>>;
  /** The notes of taps, in order. */
  readonly notes: string[];
}

/** Runs `use`; afterwards nothing is in flight, and each request has finished once. */
async function withPools(setup: Setup, use: (ends: Ends) => Promise<void>): Promise<void> {
  const notes: string[] = [];
  const note = (what: string): void => void notes.push(what);
  const plugin = (name: string, tap: Taps['config'] = () => {}): Plugin => ({
    name,
    worker: ({ hooks }) => tap(hooks, note),
  });
  const origins: Record<string, ScriptedOrigin> = {};
  for (const [name, answer] of Object.entries(setup.origins)) {
    origins[name] = await ScriptedOrigin.start({ answer });
  }
  const upstreams: Record<string, string[]> = { default: [], spare: [], third: [] };
  for (const [name, { url }] of Object.entries(origins)) upstreams[name] = [url];
  const pools = Object.fromEntries(
    Object.entries(setup.pools ?? {}).map(([name, tap]) => [name, [plugin(`of-${name}`, tap)]]),
  );
  const { fallbacks = {}, config, settings } = setup;
  const side = await workerSide([plugin('of-config', config), firstAvailable], {
    upstreams,
    pools,
    fallbacks,
  });
  const proxy = await startProxyOf(side, settings);
  const client = await RawClient.open(proxy.port);
  try {
    await use({ client, proxy, origins, notes });
    client.close();
    await until('the end of all requests', () => proxy.listener.activeRequests === 0);
    for (const pool of side.pools) for (const { inFlight, id } of pool) assert.is(inFlight, 0, id);
    assert.equal(side.reported, []);
    assert.is(new Set(proxy.finished).size, proxy.finished.length);
  } finally {
    client.close();
    proxy.close();
    await Promise.all(Object.values(origins).map(origin => origin.close()));
  }
}

/** Moves requests that got 503 to another pool. */
const spill =
  (pool: string): NonNullable<Taps['config']> =>
  hooks =>
    hooks.judge.tap('spill', ctx => (ctx.response?.status === 503 ? retry({ pool }) : undefined));

/** Notes each stage of a pool's plugin, with the pool of the request. */
const watch =
  (owner: string): NonNullable<Taps['config']> =>
  (hooks, note) => {
    const seen =
      (stage: string) =>
      (ctx: { readonly pool: { readonly name: string } }): undefined =>
        note(`${owner} ${stage} in ${ctx.pool.name}`) as undefined;
    hooks.request.tap('watch', seen('request'));
    hooks.selectUpstream.tap('watch', seen('select'));
    hooks.preProxy.tap('watch', seen('pre'));
    hooks.judge.tap('watch', seen('judge'));
    hooks.postProxy.tap('watch', seen('post'));
    hooks.respond.tap('watch', seen('respond'));
    hooks.attemptFinished.tap('watch', seen('attempt'));
    hooks.finished.tap('watch', seen('finished'));
  };

const again = suite('retry in another pool');

again('continues with the plugins of that pool, and with the body and base of the request', async () => {
  await withPools(
    {
      origins: { default: () => busy, spare: () => ok('saved') },
      config: hooks => {
        spill('spare')(hooks, () => {});
        hooks.request.tap('base', ctx => {
          ctx.outgoing.headers.set('X-Base', '1');
          ctx.outgoing.target = '/base';
          return undefined;
        });
      },
      pools: {
        default: hooks => hooks.preProxy.tap('d', ctx => void ctx.outgoing.headers.set('X-Default', '1')),
        spare(hooks) {
          hooks.request.tap('s', ctx => void ctx.outgoing.headers.set('X-Admitted', '1'));
          hooks.preProxy.tap('s', ctx => void ctx.outgoing.headers.set('X-Spare', '1'));
        },
      },
    },
    async ({ client, origins, proxy }) => {
      client.send(post);
      const response = await client.response('POST');
      assert.equal([statusOf(response), response.body], [200, 'saved']);
      const seen = ['default', 'spare'].map(name => origins[name]?.requests[0]);
      const names = ['x-base', 'x-default', 'x-admitted', 'x-spare'];
      assert.equal(
        seen.map(request => [
          request?.target,
          request?.body,
          names.filter(n => request && valuesOf(request, n)[0]),
        ]),
        [
          ['/base', 'hello', ['x-base', 'x-default']],
          ['/base', 'hello', ['x-base', 'x-admitted', 'x-spare']],
        ],
      );
      const [ctx] = proxy.finished;
      assert.equal(
        ctx?.tried.map(({ pool }) => pool),
        ['default', 'spare'],
      );
      assert.equal(
        ctx?.attempts.map(({ status }) => status),
        [503, 200],
      );
    },
  );
});

again('asks the balancer of that pool, with every upstream that was tried', async () => {
  await withPools(
    {
      origins: { default: () => busy, spare: () => ok('saved') },
      config: spill('spare'),
      pools: {
        spare: (hooks, note) =>
          hooks.selectUpstream.tap('own', ctx => {
            note(ctx.tried.map(({ pool }) => pool).join());
            return ctx.pool.available[0];
          }),
      },
    },
    async ({ client, notes }) => {
      client.send(get);
      assert.is((await client.response()).body, 'saved');
      assert.equal(notes, ['default']);
    },
  );
});

again('shows each plugin the stages of its own pool, and the end of what it admitted', async () => {
  await withPools(
    {
      origins: { default: () => busy, spare: () => ok('saved') },
      config: spill('spare'),
      pools: { default: watch('d'), spare: watch('s') },
    },
    async ({ client, notes }) => {
      client.send(get);
      await client.response();
      await until('the end', () => notes.filter(note => note.includes('finished')).length === 2);
      assert.equal(notes.slice(0, -2), [
        'd request in default',
        'd select in default',
        'd pre in default',
        'd judge in default',
        'd attempt in default',
        's request in spare',
        's select in spare',
        's pre in spare',
        's judge in spare',
        's post in spare',
        's respond in spare',
        's attempt in spare',
      ]);
      assert.equal(notes.slice(-2), ['s finished in spare', 'd finished in spare']);
    },
  );
});

again(
  'back and forth ends with the last allowed attempt, and each pool admits the request once',
  async () => {
    const admitted =
      (owner: string): NonNullable<Taps['config']> =>
      (hooks, note) => {
        hooks.request.tap('admit', () => note(owner) as undefined);
        hooks.finished.tap('admit', () => note(`${owner} finished`));
      };
    await withPools(
      {
        origins: { default: () => busy, spare: () => busy, third: () => busy },
        config(hooks) {
          const next: Record<string, string> = { default: 'spare', spare: 'third', third: 'default' };
          hooks.judge.tap('round', ctx => retry({ pool: next[ctx.pool.name] ?? '' }));
        },
        pools: { default: admitted('d'), spare: admitted('s'), third: admitted('t') },
      },
      async ({ client, proxy, origins, notes }) => {
        client.send(get);
        const response = await client.response();
        assert.equal([statusOf(response), response.body], [503, 'busy']);
        await until('the end', () => proxy.finished.length === 1);
        const [ctx] = proxy.finished;
        assert.equal([ctx?.attempts.length, ctx?.tried.length], [maxAttempts, maxAttempts]);
        const counts = Object.values(origins).map(({ requests }) => requests.length);
        assert.equal(counts, [4, 3, 3]);
        assert.equal(notes, ['d', 's', 't', 'd finished', 's finished', 't finished']);
      },
    );
  },
);

again('is refused by a filter of that pool, and the first response is dropped', async () => {
  await withPools(
    {
      origins: { default: () => busy, spare: () => ok('secret') },
      config: spill('spare'),
      pools: { spare: hooks => hooks.request.tap('closed', () => reply(403, 'closed')) },
    },
    async ({ client, origins, proxy }) => {
      client.send(get + get);
      const both = await client.responses('GET', 'GET');
      assert.equal(
        both.map(message => [statusOf(message), message.body]),
        [
          [403, 'closed'],
          [403, 'closed'],
        ],
      );
      assert.is(origins['spare']?.requests.length, 0);
      assert.equal(
        proxy.finished.map(ctx => ctx.attempts.length),
        [1, 1],
      );
    },
  );
});

again("whose body is gone gets the first pool's response", async () => {
  await withPools(
    { origins: { default: () => busy, spare: () => ok('saved') }, config: spill('spare') },
    async ({ client, origins }) => {
      const size = 300_000;
      client.send(`POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: ${size}\r\n\r\n${'a'.repeat(size)}`);
      assert.is(statusOf(await client.response('POST')), 503);
      assert.is(origins['spare']?.requests.length, 0);
    },
  );
});

again('into a pool without servers continues in its fallback, or is 503', async () => {
  const origins = { default: () => busy, third: () => ok('third') };
  await withPools({ origins, config: spill('spare'), fallbacks: { spare: 'third' } }, async ({ client }) => {
    client.send(get);
    assert.is((await client.response()).body, 'third');
  });
  await withPools({ origins, config: spill('spare') }, async ({ client, proxy }) => {
    client.send(get);
    const response = await client.response();
    assert.equal([statusOf(response), valuesOf(response, 'retry-after')], [503, ['5']]);
    assert.is(proxy.finished[0]?.error?.code, 'NO_UPSTREAM');
  });
});

again('into a pool whose fallback is the original pool ends there', async () => {
  await withPools(
    { origins: { default: () => busy }, config: spill('spare'), fallbacks: { spare: 'default' } },
    async ({ client, origins, proxy }) => {
      client.send(get);
      assert.is(statusOf(await client.response()), 503);
      assert.is(origins['default']?.requests.length, 1);
      assert.is(proxy.finished[0]?.error?.code, 'NO_UPSTREAM');
    },
  );
});

again('waits no longer than the stage timeout for that pool to admit it', async () => {
  await withPools(
    {
      origins: { default: () => busy, spare: () => ok('saved') },
      config: spill('spare'),
      pools: { spare: hooks => hooks.request.tapPromise('stuck', () => new Promise(() => {})) },
      settings: { timeouts: { stage: 50 } },
    },
    async ({ client, proxy, origins }) => {
      client.send(get);
      assert.is(statusOf(await client.response()), 500);
      assert.is(origins['spare']?.requests.length, 0);
      const line = proxy.log.find(({ level }) => level === 'error');
      assert.equal([line?.['plugin'], line?.['stage']], ['pool:spare/of-spare', 'request']);
      client.send(get);
      const [, second] = await client.responses('GET', 'GET');
      assert.is(second && statusOf(second), 500);
    },
  );
});

again('is cancelled when the client leaves while that pool admits it', async () => {
  const gate = Promise.withResolvers<undefined>();
  await withPools(
    {
      origins: { default: () => busy, spare: () => ok('saved') },
      config: spill('spare'),
      pools: {
        spare: (hooks, note) =>
          hooks.request.tapPromise('slow', () => {
            note('asked');
            return gate.promise;
          }),
      },
    },
    async ({ client, proxy, origins, notes }) => {
      client.send(get);
      await until('the question', () => notes.length === 1);
      client.reset();
      await until('the end', () => proxy.finished.length === 1);
      gate.resolve(undefined);
      const next = await RawClient.open(proxy.port);
      next.send(get);
      assert.is((await next.response()).body, 'saved');
      next.close();
      assert.is(origins['spare']?.requests.length, 1);
      assert.is(proxy.finished[0]?.outcome, 'aborted');
    },
  );
});

const fallback = suite('a fallback');

fallback('runs its own plugins, and those of the previous pool see the end', async () => {
  await withPools(
    {
      origins: { third: () => ok('third') },
      fallbacks: { default: 'spare', spare: 'third' },
      pools: { default: watch('d'), spare: watch('s'), third: watch('t') },
    },
    async ({ client, notes, proxy }) => {
      client.send(get);
      assert.is((await client.response()).body, 'third');
      await until('the end', () => proxy.finished.length === 1);
      assert.equal(notes, [
        'd request in default',
        'd select in default',
        's request in spare',
        's select in spare',
        't request in third',
        't select in third',
        't pre in third',
        't judge in third',
        't post in third',
        't respond in third',
        't attempt in third',
        't finished in third',
        'd finished in third',
        's finished in third',
      ]);
      assert.is(proxy.finished[0]?.attempts.length, 1);
    },
  );
});

fallback('without servers results in 503, for each request on a connection', async () => {
  await withPools(
    { origins: {}, fallbacks: { default: 'spare', spare: 'third' } },
    async ({ client, proxy }) => {
      client.send(get + get + get);
      const all = await client.responses('GET', 'GET', 'GET');
      assert.equal(all.map(statusOf), [503, 503, 503]);
      assert.equal(
        all.map(message => valuesOf(message, 'retry-after')),
        [['5'], ['5'], ['5']],
      );
      for (const ctx of proxy.finished)
        assert.equal([ctx.error?.code, ctx.pool.name], ['NO_UPSTREAM', 'third']);
    },
  );
});

fallback('is subject to filters of its own scope and of the previous pool', async () => {
  for (const closed of ['default', 'spare']) {
    await withPools(
      {
        origins: { spare: () => ok('secret') },
        fallbacks: { default: 'spare' },
        pools: { [closed]: hooks => hooks.request.tap('closed', () => reply(403, 'closed')) },
      },
      async ({ client, origins }) => {
        client.send(get);
        assert.is(statusOf(await client.response()), 403);
        assert.is(origins['spare']?.requests.length, 0);
      },
    );
  }
});
