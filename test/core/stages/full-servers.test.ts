// What happens when the chosen server is full, and to servers that a Weldr leaves to others.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import type { Upstream } from '../../../core/pool/pool.ts';
import { boundUpstream } from '../../../core/request/bound-upstream.ts';
import { retry } from '../../../core/request/retry.ts';
import type { RequestHooks } from '../../../core/stages/request-hooks.ts';
import { type TestWorkerSide, type WorkerSideOptions, workerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('a server that is full');

const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1'];
const three = [a, b, c].map(url => ({ url, maxConnections: 2 }));

/** A balancer that always wants the first server, and other taps of a test. */
async function wantingFirst(
  tap: (hooks: RequestHooks) => void = () => {},
  options: WorkerSideOptions = {},
): Promise<TestWorkerSide> {
  const balancer: Plugin = {
    name: 'wants-first',
    worker({ hooks }) {
      tap(hooks);
      hooks.selectUpstream.tap('wants-first', ({ pool }) => pool.get(a));
    },
  };
  return await workerSide(balancer, { upstreams: three, vantage: {}, ...options });
}

const ids = (upstreams: readonly Upstream[]): string[] => upstreams.map(({ id }) => id);

/** Has requests in flight at an upstream. */
function occupy(side: TestWorkerSide, id: string, requests: number): Upstream {
  const upstream = side.pools.default.get(id);
  assert.ok(upstream);
  for (let n = 0; n < requests; n++) upstream.begin();
  return upstream;
}

test('is skipped while others have room, and chosen again when it has room', async () => {
  const side = await wantingFirst();
  assert.equal(ids((await side.run()).attempts), [a]);
  const first = occupy(side, a, 2);
  occupy(side, b, 2);
  for (let n = 0; n < 5; n++) assert.equal(ids((await side.run()).attempts), [c]);
  first.end();
  assert.equal(ids((await side.run()).attempts), [a]);
});

test('keeps the requests that it is chosen for, which wait, when all are full', async () => {
  const side = await wantingFirst();
  for (const id of [a, b, c]) occupy(side, id, 2);
  assert.equal(ids((await side.run()).attempts), [a]);
});

test('is skipped only for eligible upstreams', async () => {
  const side = await wantingFirst(hooks => {
    hooks.eligible.tap('not b', (_, { id }) => id !== b);
  });
  occupy(side, a, 2);
  for (let n = 0; n < 5; n++) assert.equal(ids((await side.run()).attempts), [c]);
  occupy(side, c, 2);
  // Only b has room, and it is not eligible.
  assert.match(ids((await side.run()).attempts)[0] ?? '', /^http:\/\/[ac]:1$/);
});

test('gets a retry before a server that was tried', async () => {
  const side = await wantingFirst(hooks => {
    hooks.judge.tap('again', ({ attempts }) => (attempts.length < 3 ? retry : undefined));
    hooks.eligible.tap('none twice', (ctx, upstream) => !ctx.tried.includes(upstream));
  });
  occupy(side, b, 2);
  assert.equal(ids((await side.run({ answers: ['CONNECT_FAILED'] })).attempts), [a, c, b]);
});

test('keeps a request that is bound to it', async () => {
  const side = await wantingFirst(hooks => {
    hooks.request.tap('bind', ctx => {
      const bound = ctx.pool.get(a);
      if (bound !== undefined) ctx.set(boundUpstream, bound);
    });
  });
  occupy(side, a, 2);
  assert.equal(ids((await side.run()).attempts), [a]);
});

test('depends on the share of this worker, and follows its changes', async () => {
  const side = await wantingFirst(undefined, { vantage: { worker: 1, workers: 2 } });
  occupy(side, a, 1);
  assert.equal(ids((await side.run()).attempts).includes(a), false);
  const { record } = occupy(side, a, 0);
  side.pools.default.set({ ...record, maxConnections: 4 });
  assert.equal(ids((await side.run()).attempts), [a]);
});

const apart = suite('a server that is left to other Weldrs');

const zones = [
  { url: a, zone: 'here' },
  { url: b, zone: 'there' },
  { url: c, backup: true as const },
];

apart('gets a retry once all of this zone were tried, before a backup', async () => {
  const side = await wantingFirst(
    hooks => hooks.judge.tap('again', ({ attempts }) => (attempts.length < 3 ? retry : undefined)),
    { upstreams: zones, vantage: { zone: 'here' } },
  );
  assert.equal(ids((await side.run({ answers: ['CONNECT_FAILED'] })).attempts), [a, b, c]);
});

apart('gets a request for which no other is eligible', async () => {
  const side = await wantingFirst(
    hooks => {
      hooks.eligible.tap('not here', (_, { zone }) => zone === 'there');
    },
    { upstreams: zones, vantage: { zone: 'here' } },
  );
  assert.equal(ids((await side.run()).attempts), [b]);
});
