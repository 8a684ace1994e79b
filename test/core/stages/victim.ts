// A worker whose plugin misbehaves as a test says, with a check of what must hold at the end of every request.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import type { Upstream } from '../../../core/pool/pool.ts';
import type { ProxyContext } from '../../../core/request/context.ts';
import { retry } from '../../../core/request/retry.ts';
import {
  firstAvailable,
  type RunResult,
  settle,
  type TestWorkerSide,
  workerSide,
} from '../../../core/testing.ts';

/** Ms of the fake clock. */
export const stageTimeout = 30_000;

/** The stages whose taps may be asynchronous. */
export const asynchronous = ['request', 'selectUpstream', 'preProxy', 'judge', 'postProxy'] as const;
/** The stages whose taps may not be asynchronous. */
export const synchronous = ['route', 'eligible', 'respond'] as const;
/** The stages that ignore results: a mistake is reported. */
export const looking = ['attemptFinished', 'finished'] as const;
export const all = [...asynchronous, ...synchronous, ...looking];

/** A stage of a request. */
export type Stage = (typeof all)[number];
type Callback = (error?: unknown, value?: unknown) => void;
/** What the spoiler does; `done` is that of `tapAsync`. */
export type Act = (ctx: ProxyContext, upstream: Upstream | undefined, done: Callback) => unknown;
/** How the spoiler taps; `direct` is tapPromise with its result unchanged. */
export type Way = 'tap' | 'tapPromise' | 'tapAsync' | 'direct';

/** A hook as the spoiler sees it, without the types that would stop it. */
interface LooseHook {
  tap(name: string, fn: (ctx: ProxyContext, upstream?: Upstream) => unknown): void;
  tapPromise(name: string, fn: (ctx: ProxyContext) => unknown): void;
  tapAsync(name: string, fn: (ctx: ProxyContext, done: Callback) => unknown): void;
}

/** A worker with a plugin that does what `act` says in one stage, and counters of ends. */
export class Victim {
  readonly side: TestWorkerSide;
  readonly stage: Stage;
  act: Act | undefined = undefined;
  finished = 0;
  attemptsFinished = 0;

  static async start(stage: Stage, way: Way): Promise<Victim> {
    let victim: Victim | undefined;
    const perform = (ctx: ProxyContext, upstream?: Upstream, done: Callback = () => {}): unknown =>
      victim?.act?.(ctx, upstream, done);
    const spoiler: Plugin = {
      name: 'spoiler',
      worker({ hooks }) {
        const hook = hooks[stage] as unknown as LooseHook;
        if (way === 'tap') hook.tap('spoiler', perform);
        else if (way === 'direct') hook.tapPromise('spoiler', ctx => perform(ctx) ?? Promise.resolve());
        else if (way === 'tapPromise') {
          hook.tapPromise('spoiler', async ctx => {
            await undefined;
            return await perform(ctx);
          });
        } else {
          hook.tapAsync('spoiler', (ctx, done) => {
            if (victim?.act !== undefined) return victim.act(ctx, undefined, done);
            done();
            return undefined;
          });
        }
      },
    };
    const others: Plugin = {
      name: 'others',
      worker({ hooks }) {
        hooks.judge.tap('others', ctx =>
          ctx.error !== undefined && ctx.request.target !== '/fail' ? retry : undefined,
        );
        hooks.respond.tap('others', ctx => void ctx.response?.headers.set('X-Others', '1'));
        hooks.attemptFinished.tap('others', () => {
          if (victim !== undefined) victim.attemptsFinished++;
        });
        hooks.finished.tap('others', () => {
          if (victim !== undefined) victim.finished++;
        });
      },
    };
    const side = await workerSide([spoiler, others, firstAvailable], {
      upstreams: ['http://a:1', 'http://b:1'],
      stageTimeout,
    });
    victim = new Victim(side, stage);
    return victim;
  }

  private constructor(side: TestWorkerSide, stage: Stage) {
    this.side = side;
    this.stage = stage;
  }

  /** Runs a request to its end, and checks what must hold there. */
  async run(act: Act | undefined, target: string, what: string): Promise<RunResult> {
    const { side } = this;
    this.act = act;
    this.finished = 0;
    this.attemptsFinished = 0;
    let result: RunResult | undefined;
    let failed: unknown;
    side.run({ target, answers: ['CONNECT_FAILED', 200] }).then(
      value => {
        result = value;
      },
      thrown => {
        failed = thrown;
      },
    );
    // Most runs need no more than a few microtasks.
    for (let n = 0; n < 60 && result === undefined; n++) await undefined;
    if (result === undefined) await settle();
    for (let n = 0; n < 10 && result === undefined; n++) await side.clock.advanceAsync(stageTimeout);
    if (failed !== undefined) throw new Error(`${what}: the run failed`, { cause: failed });
    if (result === undefined) throw new Error(`${what}: it hangs`);
    this.act = undefined;
    assert.is(this.finished, 1, `${what}: finished`);
    assert.is(this.attemptsFinished, result.ctx.attempts.length, `${what}: attemptFinished`);
    for (const upstream of side.pools.default) assert.is(upstream.inFlight, 0, `${what}: inFlight`);
    assert.is(side.pools.default.available.length, 2, `${what}: available`);
    assert.ok(Number.isInteger(result.status) && result.status >= 200 && result.status <= 599, what);
    // What the wire would write.
    for (const { headers } of result.sent) assert.type(headers.toLines(), 'string');
    assert.type(result.headers.toLines(), 'string');
    if (result.error?.code === 'PLUGIN_FAILED') {
      assert.match(result.error.message, new RegExp(`^plugin spoiler in ${this.stage}: `), what);
      assert.is(result.status, 500, what);
    } else if (result.error !== undefined) {
      assert.ok(
        ['CONNECT_FAILED', 'NO_UPSTREAM', 'BAD_REQUEST'].includes(result.error.code),
        `${what}: ${result.error.code}`,
      );
    }
    return result;
  }

  /** The next request, which is not spoiled. */
  async runPlain(what: string): Promise<void> {
    const result = await this.run(undefined, '/', `after ${what}`);
    assert.equal([result.status, result.attempts.length], [200, 2], `after ${what}`);
  }
}

/** How a stage can be tapped. */
export function waysOf(stage: Stage): readonly Way[] {
  return asynchronous.some(name => name === stage) ? ['tap', 'tapPromise', 'tapAsync'] : ['tap'];
}
