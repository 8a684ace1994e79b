// Pipeline: one context through its stages, with each exit, late answers, retries, and exactly one end.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { createHooks, type RequestHooks } from '../../../core/plugin/hooks.ts';
import { Pools, type Upstream } from '../../../core/pool/pool.ts';
import { ProxyContext, type Reply, reply, retry } from '../../../core/request/context.ts';
import { HeaderList } from '../../../core/request/headers.ts';
import { type Carrier, maxAttempts, Pipeline } from '../../../core/request/pipeline.ts';
import { upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('Pipeline');

/** Which of the upstreams this attempt has: they differ by their ports. */
const portOf = ({ upstream }: ProxyContext) => upstream?.authority.split(':')[1];

/** A wire that notes what it is told, and answers by `onForward`. */
class Wire implements Carrier {
  readonly told: string[] = [];
  readonly hooks: RequestHooks;
  readonly pools = new Pools();
  readonly pipeline: Pipeline;
  readonly ctx: ProxyContext;
  readonly upstreams: Upstream[];
  onForward: (ctx: ProxyContext) => void = ctx => this.respondWith(ctx, 200);

  constructor(tap: (hooks: RequestHooks, wire: Wire) => void, count = 2) {
    this.hooks = createHooks(error => this.told.push(`reported ${error.message}`));
    this.upstreams = Array.from({ length: count }, (_, n) =>
      this.pools.default.set(upstreamRecord(`http://127.0.0.1:${n + 1}`)),
    );
    tap(this.hooks, this);
    this.hooks.selectUpstream.tap('first', ctx =>
      ctx.pool.available.find(upstream => !ctx.tried.includes(upstream)),
    );
    this.hooks.attemptFinished.tap('note', ctx => void this.told.push(`attempt over ${portOf(ctx)}`));
    this.hooks.finished.tap('note', ctx => void this.told.push(`finished ${ctx.status} ${ctx.outcome}`));
    this.pipeline = new Pipeline(this.hooks, this, () => 7);
    this.ctx = new ProxyContext('GET', '/', '1.1', new HeaderList(), this.pools.default, 1);
  }

  run(): this {
    this.pipeline.start(this.ctx);
    return this;
  }

  respondWith(ctx: ProxyContext, status: number): void {
    ctx.status = status;
    ctx.responseHeaders = new HeaderList();
    this.pipeline.responded();
  }

  forward(ctx: ProxyContext): void {
    this.told.push(`forward ${portOf(ctx)}`);
    this.onForward(ctx);
  }
  respond(ctx: ProxyContext): void {
    this.told.push(`respond ${ctx.status}`);
    this.pipeline.completed();
  }
  reply(ctx: ProxyContext, answer: Reply): void {
    this.told.push(`reply ${answer.status} ${ctx.status}`);
    this.pipeline.completed();
  }
  replyError(ctx: ProxyContext, error: WeldrError): void {
    this.told.push(`error ${error.code} ${ctx.status}`);
    this.pipeline.completed();
  }
  abandonAttempt(ctx: ProxyContext): void {
    this.told.push(`abandon ${portOf(ctx)}`);
  }
}

const nothing = (): void => {};
const refusing = (wire: Wire): void => {
  wire.onForward = () => wire.pipeline.attemptFailed(new WeldrError('CONNECT_FAILED'));
};
const turn = () => new Promise(resolve => setImmediate(resolve));

test('a request goes through its stages in order, and ends once', () => {
  const order: string[] = [];
  const wire = new Wire(hooks => {
    hooks.selectUpstream.tap('a', () => void order.push('select'));
    hooks.preProxy.tap('a', () => void order.push('pre'));
    hooks.postProxy.tap('a', ctx => void order.push(`post ${ctx.status}`));
  }).run();
  assert.equal(order, ['select', 'pre', 'post 200']);
  assert.equal(wire.told, ['forward 1', 'respond 200', 'attempt over 1', 'finished 200 complete']);
  assert.equal([wire.ctx.finishedAt, wire.ctx.upstreamStatus, wire.upstreams[0]?.inFlight], [7, 200, 0]);
  wire.pipeline.completed();
  wire.pipeline.aborted(new WeldrError('CLIENT_CLOSED'));
  assert.is(wire.told.length, 4, 'nothing more after the end');
});

test('nobody to ask is NO_UPSTREAM, and no attempt', () => {
  const wire = new Wire(nothing, 0).run();
  assert.equal(wire.told, ['error NO_UPSTREAM 503', 'finished 503 complete']);
});

test('a reply at each stage ends the request there', () => {
  const expected = {
    selectUpstream: ['reply 418 418', 'finished 418 complete'],
    preProxy: ['reply 418 418', 'attempt over 1', 'finished 418 complete'],
    postProxy: ['forward 1', 'reply 418 418', 'attempt over 1', 'finished 418 complete'],
  };
  for (const stage of ['selectUpstream', 'preProxy', 'postProxy'] as const) {
    const wire = new Wire(hooks => hooks[stage].tap('tea', () => reply(418))).run();
    assert.equal(wire.told, expected[stage]);
    assert.is(wire.upstreams[0]?.inFlight, 0);
  }
});

test('a plugin that throws at a stage fails its request with 500', () => {
  for (const stage of ['selectUpstream', 'preProxy', 'postProxy'] as const) {
    const wire = new Wire(hooks =>
      hooks[stage].tap('bad', () => {
        throw new Error('oops');
      }),
    ).run();
    assert.ok(wire.told.includes('error PLUGIN_FAILED 500'), stage);
    assert.is(wire.told.filter(line => line.startsWith('finished')).length, 1);
    assert.match(wire.ctx.error?.message ?? '', /bad.*oops/);
    assert.is(wire.upstreams[0]?.inFlight, 0);
  }
});

test('a plugin that throws at the end is reported, and harms nothing', () => {
  const wire = new Wire(hooks =>
    hooks.finished.tap('bad', () => {
      throw new Error('oops');
    }),
  ).run();
  assert.ok(wire.told.some(line => line.startsWith('reported') && line.includes('oops')));
  assert.ok(wire.told.includes('finished 200 complete'));
});

test('a failed attempt is answered with its error', () => {
  const wire = new Wire((_, self) => refusing(self)).run();
  assert.equal(wire.told, [
    'forward 1',
    'error CONNECT_FAILED 502',
    'attempt over 1',
    'finished 502 complete',
  ]);
});

test('a retry goes to another upstream, and each attempt ends once', () => {
  const wire = new Wire((hooks, self) => {
    self.onForward = ctx => {
      if (ctx.tried.length === 1) self.pipeline.attemptFailed(new WeldrError('CONNECT_FAILED'));
      else self.respondWith(ctx, 200);
    };
    hooks.postProxy.tap('again', ctx => (ctx.error === undefined ? undefined : retry));
  }).run();
  assert.equal(wire.told, [
    'forward 1',
    'abandon 1',
    'attempt over 1',
    'forward 2',
    'respond 200',
    'attempt over 2',
    'finished 200 complete',
  ]);
  assert.is(wire.ctx.error, undefined, 'the error of the first attempt is forgotten');
  assert.equal(
    wire.upstreams.map(upstream => upstream.inFlight),
    [0, 0],
  );
});

test('a retry of a response drops it', () => {
  const wire = new Wire((hooks, self) => {
    self.onForward = ctx => self.respondWith(ctx, ctx.tried.length === 1 ? 503 : 200);
    hooks.postProxy.tap('again', ctx => (ctx.status === 503 ? retry : undefined));
  }).run();
  assert.equal(wire.told.slice(0, 4), ['forward 1', 'abandon 1', 'attempt over 1', 'forward 2']);
  assert.is(wire.ctx.status, 200);
});

test('when no upstream is left, the answer is what the last attempt failed with', () => {
  const wire = new Wire((hooks, self) => {
    refusing(self);
    hooks.postProxy.tap('again', () => retry);
  }).run();
  assert.equal(wire.told.slice(-2), ['error CONNECT_FAILED 502', 'finished 502 complete']);
  assert.is(wire.told.filter(line => line.startsWith('attempt over')).length, 2);
});

test(`no request has more than ${maxAttempts} attempts`, () => {
  const wire = new Wire((hooks, self) => {
    refusing(self);
    hooks.selectUpstream.tap('same', ctx => ctx.pool.available[0]);
    hooks.postProxy.tap('again', () => retry);
  }).run();
  assert.is(wire.told.filter(line => line.startsWith('forward')).length, maxAttempts);
  assert.is(wire.told.filter(line => line.startsWith('attempt over')).length, maxAttempts);
  assert.is(wire.told.at(-1), 'finished 502 complete');
});

test('what cannot be sent again is not retried', () => {
  const wire = new Wire((hooks, self) => {
    refusing(self);
    hooks.postProxy.tap('again', ctx => {
      ctx.replayable = false;
      return retry;
    });
  }).run();
  assert.equal(wire.told, [
    'forward 1',
    'error CONNECT_FAILED 502',
    'attempt over 1',
    'finished 502 complete',
  ]);
});

test('asynchronous taps are waited for', async () => {
  const wire = new Wire(hooks => {
    hooks.selectUpstream.tapPromise('slow', async () => undefined);
    hooks.preProxy.tapPromise('slow', async () => undefined);
    hooks.postProxy.tapPromise('slow', async () => reply(202));
  }).run();
  assert.ok(wire.pipeline.pending);
  assert.equal(wire.told, []);
  await turn();
  await turn();
  await turn();
  assert.equal(wire.told, ['forward 1', 'reply 202 202', 'attempt over 1', 'finished 202 complete']);
});

test('an answer that comes after the request was aborted is ignored', async () => {
  for (const stage of ['selectUpstream', 'preProxy', 'postProxy'] as const) {
    let answer = (): void => {};
    const gate = new Promise<undefined>(resolve => {
      answer = () => resolve(undefined);
    });
    const wire = new Wire(hooks => hooks[stage].tapPromise('slow', () => gate)).run();
    wire.pipeline.aborted(new WeldrError('CLIENT_CLOSED'));
    const told = [...wire.told];
    assert.is(told.at(-1), `finished ${stage === 'postProxy' ? 200 : 499} aborted`, stage);
    answer();
    await turn();
    await turn();
    assert.equal(wire.told, told);
    assert.is(wire.upstreams[0]?.inFlight, 0);
  }
});

test('an abort ends the request once, with its reason', () => {
  const wire = new Wire((_, self) => {
    self.onForward = nothing;
  }).run();
  wire.pipeline.aborted(new WeldrError('CLIENT_CLOSED'));
  wire.pipeline.aborted(new WeldrError('INTERNAL'));
  wire.pipeline.responded();
  wire.pipeline.attemptFailed(new WeldrError('UPSTREAM_RESET'));
  wire.pipeline.completed();
  assert.equal(wire.told, ['forward 1', 'attempt over 1', 'finished 499 aborted']);
  assert.is(wire.ctx.error?.code, 'CLIENT_CLOSED');
});

test('one pipeline serves requests one after another', () => {
  const wire = new Wire(nothing).run();
  const second = new ProxyContext('GET', '/2', '1.1', new HeaderList(), wire.pools.default, 2);
  wire.pipeline.start(second);
  assert.equal(wire.told.slice(4), ['forward 1', 'respond 200', 'attempt over 1', 'finished 200 complete']);
});
