// Pipeline: one context through its stages, with each exit, late answers, retries, and exactly one end.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import type { Upstream } from '../../../core/pool/pool.ts';
import { Pools } from '../../../core/pool/pools.ts';
import { ProxyContext, stateOf } from '../../../core/request/context.ts';
import { HeaderList } from '../../../core/request/headers.ts';
import { reply } from '../../../core/request/reply.ts';
import { RequestState } from '../../../core/request/request-state.ts';
import { retry } from '../../../core/request/retry.ts';
import type { Carrier } from '../../../core/stages/carrier.ts';
import { maxAttempts, Pipeline } from '../../../core/stages/pipeline.ts';
import { createHooks, type RequestHooks } from '../../../core/stages/request-hooks.ts';
import { Stages } from '../../../core/stages/stages.ts';
import { upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('Pipeline');

/** The port of an upstream, which identifies it here. */
const portOf = (upstream: Upstream | undefined) => upstream?.authority.split(':')[1];

/** A carrier that records its calls, and responds through `onForward`. */
class Wire implements Carrier {
  readonly told: string[] = [];
  readonly hooks: RequestHooks;
  readonly pools = new Pools();
  readonly pipeline: Pipeline;
  readonly state: RequestState;
  readonly ctx: ProxyContext;
  readonly upstreams: Upstream[];
  /** How often a stage began to wait. */
  waits = 0;
  onForward: (state: RequestState) => void = state => this.respondWith(state, 200);

  constructor(tap: (hooks: RequestHooks, wire: Wire) => void, count = 2) {
    this.hooks = createHooks(error => this.told.push(`reported ${error.message}`));
    this.upstreams = Array.from({ length: count }, (_, n) =>
      this.pools.default.set(upstreamRecord(`http://127.0.0.1:${n + 1}`)),
    );
    tap(this.hooks, this);
    this.hooks.selectUpstream.tap('first', ctx =>
      ctx.pool.available.find(upstream => !ctx.tried.includes(upstream)),
    );
    this.hooks.attemptFinished.tap(
      'note',
      ctx => void this.told.push(`attempt over ${portOf(ctx.upstream)}`),
    );
    this.hooks.finished.tap('note', ctx => void this.told.push(`finished ${ctx.status} ${ctx.outcome}`));
    this.pipeline = new Pipeline({ stages: Stages.of(this.hooks), pools: this.pools, now: () => 7 }, this);
    this.state = this.newState();
    this.ctx = new ProxyContext(this.state);
  }

  newState(): RequestState {
    return new RequestState('GET', '/', '1.1', new HeaderList(), this.pools.default, 1);
  }

  run(): this {
    this.pipeline.start(this.ctx);
    return this;
  }

  respondWith(state: RequestState, status: number): void {
    state.status = status;
    state.responseHeaders = new HeaderList();
    this.pipeline.responded();
  }

  forward(state: RequestState): void {
    this.told.push(`forward ${portOf(state.upstream)}`);
    this.onForward(state);
  }
  respond(state: RequestState): void {
    this.told.push(`respond ${state.status}`);
    this.pipeline.completed();
  }
  reply(state: RequestState): void {
    this.told.push(`reply ${state.status} ${state.responseSource}`);
    this.pipeline.completed();
  }
  failed(_: RequestState, error: WeldrError): void {
    this.told.push(`failed ${error.code}`);
  }
  awaitStage(): void {
    this.waits++;
  }
  abandonAttempt(state: RequestState): void {
    this.told.push(`abandon ${portOf(state.upstream)}`);
  }
}

const nothing = (): void => {};
const refusing = (wire: Wire): void => {
  wire.onForward = () => wire.pipeline.attemptFailed(new WeldrError('CONNECT_FAILED'));
};
const turn = () => new Promise(resolve => setImmediate(resolve));

/** The stages that may wait, and in which a reply ends the request. */
const replying = ['request', 'preProxy', 'postProxy'] as const;
const asynchronous = ['request', 'selectUpstream', 'preProxy', 'judge', 'postProxy'] as const;

test('a request goes through its stages in order, and ends once', () => {
  const order: string[] = [];
  const wire = new Wire(hooks => {
    hooks.respond.tap('a', ctx => void order.push(`respond ${ctx.status}`));
    hooks.postProxy.tap('a', ctx => void order.push(`post ${ctx.status}`));
    hooks.judge.tap('a', ctx => void order.push(`judge ${ctx.status}`));
    hooks.preProxy.tap('a', () => void order.push('pre'));
    hooks.eligible.tap('a', (_, upstream) => void order.push(`eligible ${portOf(upstream)}`));
    hooks.selectUpstream.tap('a', () => void order.push('select'));
    hooks.route.tap('a', () => void order.push('route'));
    hooks.request.tap('a', () => void order.push('request'));
  }).run();
  assert.equal(order, [
    'request',
    'route',
    'select',
    'eligible 1',
    'pre',
    'judge 200',
    'post 200',
    'respond 200',
  ]);
  assert.equal(wire.told, ['forward 1', 'respond 200', 'attempt over 1', 'finished 200 complete']);
  assert.equal([wire.ctx.finishedAt, wire.upstreams[0]?.inFlight, wire.waits], [7, 0, 0]);
  wire.pipeline.completed();
  wire.pipeline.aborted(new WeldrError('CLIENT_CLOSED'));
  assert.is(wire.told.length, 4, 'nothing more after the end');
});

test('without an upstream a request fails with NO_UPSTREAM and makes no attempt', () => {
  const wire = new Wire(nothing, 0).run();
  assert.equal(wire.told, ['failed NO_UPSTREAM', 'reply 503 weldr', 'finished 503 complete']);
});

test('a reply at each stage ends the request there', () => {
  const expected = {
    request: ['reply 418 plugin', 'finished 418 complete'],
    route: ['reply 418 plugin', 'finished 418 complete'],
    preProxy: ['reply 418 plugin', 'attempt over 1', 'finished 418 complete'],
    postProxy: ['forward 1', 'reply 418 plugin', 'attempt over 1', 'finished 418 complete'],
  };
  for (const stage of [...replying, 'route'] as const) {
    const wire = new Wire(hooks => hooks[stage].tap('tea', () => reply(418))).run();
    assert.equal(wire.told, expected[stage]);
    assert.equal([wire.ctx.response?.source, wire.ctx.response?.plugin], ['plugin', 'tea']);
    assert.is(wire.upstreams[0]?.inFlight, 0);
  }
});

test('a plugin that throws at a stage fails its request with 500', () => {
  for (const stage of [...asynchronous, 'route', 'eligible', 'respond'] as const) {
    const wire = new Wire(hooks =>
      hooks[stage].tap('bad', () => {
        throw new Error('oops');
      }),
    ).run();
    assert.ok(wire.told.includes('failed PLUGIN_FAILED'), stage);
    assert.ok(wire.told.includes('reply 500 weldr'), stage);
    assert.is(wire.told.filter(line => line.startsWith('finished')).length, 1);
    assert.is(wire.ctx.error?.message, `plugin bad in ${stage}: oops`);
    assert.is(wire.upstreams[0]?.inFlight, 0);
  }
});

test('a plugin that throws at the end is reported, and harms nothing', () => {
  const wire = new Wire(hooks => {
    for (const stage of ['finished', 'attemptFinished'] as const) {
      hooks[stage].tap('bad', () => {
        throw new Error('oops');
      });
    }
  }).run();
  for (const stage of ['finished', 'attemptFinished']) {
    assert.ok(wire.told.includes(`reported plugin bad in ${stage}: oops`));
  }
  assert.ok(wire.told.includes('finished 200 complete'));
});

test('a failed attempt is answered with its error', () => {
  const wire = new Wire((_, self) => refusing(self)).run();
  assert.equal(wire.told, [
    'forward 1',
    'failed CONNECT_FAILED',
    'reply 502 weldr',
    'attempt over 1',
    'finished 502 complete',
  ]);
});

test('a retry goes to another upstream, and each attempt ends once', () => {
  const wire = new Wire((hooks, self) => {
    self.onForward = state => {
      if (state.tried.length === 1) self.pipeline.attemptFailed(new WeldrError('CONNECT_FAILED'));
      else self.respondWith(state, 200);
    };
    hooks.judge.tap('again', ctx => (ctx.error === undefined ? undefined : retry));
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
    self.onForward = state => self.respondWith(state, state.tried.length === 1 ? 503 : 200);
    hooks.judge.tap('again', ctx => (ctx.status === 503 ? retry() : undefined));
  }).run();
  assert.equal(wire.told.slice(0, 4), ['forward 1', 'abandon 1', 'attempt over 1', 'forward 2']);
  assert.is(wire.ctx.status, 200);
});

test('if no upstream is left, the client gets the error of the last attempt', () => {
  const wire = new Wire((hooks, self) => {
    refusing(self);
    hooks.judge.tap('again', () => retry);
  }).run();
  assert.equal(wire.told.slice(-3), ['failed CONNECT_FAILED', 'reply 502 weldr', 'finished 502 complete']);
  assert.is(wire.told.filter(line => line.startsWith('attempt over')).length, 2);
});

test(`no request has more than ${maxAttempts} attempts`, () => {
  const wire = new Wire((hooks, self) => {
    refusing(self);
    hooks.selectUpstream.tap('same', ctx => ctx.pool.available[0]);
    hooks.judge.tap('again', () => retry);
  }).run();
  assert.is(wire.told.filter(line => line.startsWith('forward')).length, maxAttempts);
  assert.is(wire.told.filter(line => line.startsWith('attempt over')).length, maxAttempts);
  assert.is(wire.told.at(-1), 'finished 502 complete');
});

test('a request that cannot be sent again is not retried', () => {
  const wire = new Wire((hooks, self) => {
    refusing(self);
    hooks.judge.tap('again', () => retry);
  });
  wire.state.replayable = false;
  wire.run();
  assert.equal(wire.told, [
    'forward 1',
    'failed CONNECT_FAILED',
    'reply 502 weldr',
    'attempt over 1',
    'finished 502 complete',
  ]);
});

test('a request waits for asynchronous taps, with a bound for each stage', async () => {
  const wire = new Wire(hooks => {
    hooks.request.tapPromise('slow', async () => undefined);
    hooks.selectUpstream.tapPromise('slow', async () => undefined);
    hooks.preProxy.tapPromise('slow', async () => undefined);
    hooks.judge.tapPromise('slow', async () => undefined);
    hooks.postProxy.tapPromise('slow', async () => reply(202));
  }).run();
  assert.ok(wire.pipeline.pending);
  assert.equal(wire.told, []);
  for (let n = 0; n < 5; n++) await turn();
  assert.equal(wire.told, ['forward 1', 'reply 202 plugin', 'attempt over 1', 'finished 202 complete']);
  assert.is(wire.waits, 5);
  assert.ok(wire.pipeline.reusable);
});

test('a late answer is ignored, whatever made the request continue without it', async () => {
  const ways: Record<string, (wire: Wire) => void> = {
    aborted: wire => wire.pipeline.aborted(new WeldrError('CLIENT_CLOSED')),
    refused: wire => wire.pipeline.refuse(wire.ctx, new WeldrError('BODY_TOO_LARGE')),
    late: wire => wire.pipeline.stageTimedOut(30),
  };
  for (const stage of asynchronous) {
    for (const [way, end] of Object.entries(ways)) {
      const gate = Promise.withResolvers<undefined>();
      const wire = new Wire(hooks => hooks[stage].tapPromise('slow', () => gate.promise)).run();
      end(wire);
      const told = [...wire.told];
      assert.match(told.at(-1) ?? '', /^finished /, `${stage} ${way}`);
      assert.is(wire.ctx.outcome, way === 'aborted' ? 'aborted' : 'complete');
      if (way === 'late') assert.is(wire.ctx.error?.message, `plugin slow in ${stage}: took over 30 ms`);
      assert.not.ok(wire.pipeline.reusable, 'the late answer could be mistaken for that of the next request');
      gate.resolve(undefined);
      await turn();
      await turn();
      assert.equal(wire.told, told);
      assert.is(wire.upstreams[0]?.inFlight, 0);
    }
  }
});

test('a stage that has ended does not time out', () => {
  const wire = new Wire((_, self) => {
    self.onForward = nothing;
  }).run();
  wire.pipeline.stageTimedOut(30);
  assert.equal(wire.told, ['forward 1']);
  wire.pipeline.aborted(new WeldrError('CLIENT_CLOSED'));
  wire.pipeline.stageTimedOut(30);
  assert.is(wire.told.at(-1), 'finished 499 aborted');
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
  assert.equal([wire.ctx.error?.code, wire.ctx.attempt?.error?.code], ['CLIENT_CLOSED', 'CLIENT_CLOSED']);
  assert.is(wire.ctx.response, undefined);
});

test('a request that never began is refused through respond and finished', () => {
  const seen: string[] = [];
  const wire = new Wire(hooks => {
    hooks.request.tap('never', () => reply(200, 'this is for requests that begin'));
    hooks.respond.tap('security', ctx => ctx.response?.headers.set('X-Frame-Options', 'DENY'));
    hooks.finished.tap('count', ctx => void seen.push(`${ctx.status} ${ctx.error?.code}`));
  });
  wire.pipeline.refuse(wire.ctx, new WeldrError('BAD_REQUEST'));
  assert.equal(wire.told, ['failed BAD_REQUEST', 'reply 400 weldr', 'finished 400 complete']);
  assert.equal(seen, ['400 BAD_REQUEST']);
  assert.is(wire.state.responseHeaders?.get('x-frame-options'), 'DENY');
});

test('a request under way can be refused, with its attempt', () => {
  const wire = new Wire((_, self) => {
    self.onForward = nothing;
  }).run();
  wire.pipeline.refuse(wire.ctx, new WeldrError('BAD_CHUNK'));
  assert.equal(wire.told, [
    'forward 1',
    'failed BAD_CHUNK',
    'reply 400 weldr',
    'attempt over 1',
    'finished 400 complete',
  ]);
});

test('one pipeline serves requests one after another', () => {
  const wire = new Wire(nothing).run();
  const second = new ProxyContext(wire.newState());
  wire.pipeline.start(second);
  assert.equal(wire.told.slice(4), ['forward 1', 'respond 200', 'attempt over 1', 'finished 200 complete']);
  assert.is(stateOf(second).status, 200);
});
