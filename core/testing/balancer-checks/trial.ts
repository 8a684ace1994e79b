// Trial: a balancer that runs in a worker for one check, and the choices that the check asks of it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Plugin } from '../../plugin/plugin.ts';
import { instantiate } from '../../plugin/plugin-lists.ts';
import { type Pool, Upstream } from '../../pool/pool.ts';
import { Pools } from '../../pool/pools.ts';
import type { Vantage } from '../../pool/vantage.ts';
import type { ProxyContext } from '../../request/context.ts';
import type { Reply } from '../../request/reply.ts';
import { retry } from '../../request/retry.ts';
import { type ContextOptions, context } from '../context.ts';
import { settle } from '../fake-clock.ts';
import { type UpstreamInput, upstreamRecord } from '../pool.ts';
import type { RunResult, UpstreamAnswer } from '../request-run.ts';
import {
  type ExplainOptions,
  type RunOptions,
  startWorkerSide,
  type TestWorkerSide,
} from '../worker-side.ts';
import { Shares } from './shares.ts';
import type { Reads } from './watched-pools.ts';

/** How a trial begins. */
export interface TrialOptions {
  /** What the pool `default` holds. */
  readonly upstreams?: readonly UpstreamInput[];
  /** The number of the worker; default 1. */
  readonly id?: number;
  /** Counts the looks at upstreams. */
  readonly reads?: Reads;
  /** The vantage that the pools are seen from. */
  readonly vantage?: Vantage;
}

// How long an asynchronous choice is waited for: turns of promises, then of the event loop, then of 10 ms.
const promiseTurns = 8;
const loopTurns = 50;
const mostTurns = promiseTurns + loopTurns + 100;

// Each worker has its own clients.
const clientsEach = 8000;

/** The URL of the n-th upstream. */
export const urlOf = (n: number): string => `http://10.0.${n >> 8}.${n & 255}:8080`;

/** The first `count` upstreams, all of them alike. */
export const alike = (count: number): string[] => Array.from({ length: count }, (_, n) => urlOf(n));

/** The facts of the n-th request that a balancer may choose by: the client, its cookie and the target. */
export function client(n: number): Pick<ContextOptions, 'clientIp' | 'clientPort' | 'target' | 'headers'> {
  return {
    clientIp: `192.0.${(n >> 8) & 255}.${n & 255}`,
    clientPort: 1024 + (n % 60_000),
    target: `/item/${n}`,
    headers: { Cookie: `client=${n}` },
  };
}

/** Starts a balancer, runs `body` and closes it. Rejects with what was wrong, including what the balancer left behind. */
export async function trial(
  balancer: Plugin,
  options: TrialOptions,
  body: (trial: Trial) => Promise<void>,
): Promise<void> {
  const started = await Trial.start(balancer, options);
  try {
    await body(started);
  } finally {
    await started.side.close();
  }
  const [reported] = started.side.reported;
  if (reported !== undefined) throw reported;
  if (started.side.clock.pending > 0) throw new Error('a timer was left running after the clean-up');
}

/** Runs `body` with one trial for each of the options, all at the same time. */
export async function trials(
  balancer: Plugin,
  options: readonly TrialOptions[],
  body: (trials: readonly Trial[]) => Promise<void>,
): Promise<void> {
  const begin = async (started: readonly Trial[]): Promise<void> => {
    const next = options[started.length];
    if (next === undefined) await body(started);
    else await trial(balancer, next, one => begin([...started, one]));
  };
  await begin([]);
}

/** A balancer that was started in a worker for one check. */
export class Trial {
  readonly side: TestWorkerSide;

  static async start(balancer: Plugin, options: TrialOptions): Promise<Trial> {
    const { upstreams = [], id = 1, reads, vantage } = options;
    const pools = reads?.pools ?? new Pools();
    if (vantage !== undefined) pools.lookFrom(vantage);
    for (const upstream of upstreams) pools.default.set(upstreamRecord(upstream));
    const side = await startWorkerSide({ instances: instantiate({ plugins: [balancer] }), pools, id });
    return new Trial(side, (id - 1) * clientsEach);
  }

  private nextClient: number;
  /**
   * How long requests take, ms. Time passes, so averages and slow starts behave as in a worker. All requests take
   * equally long: averages that differ by rounding continue to differ.
   */
  latency = 5;
  /** Is called with each attempt's upstream, before the request is sent; a reply ends the request there. */
  onChosen: (upstream: Upstream) => Reply | undefined = () => undefined;
  /** Returns whether a failed attempt is to be retried. */
  retries: () => boolean = () => false;

  private constructor(side: TestWorkerSide, firstClient: number) {
    this.side = side;
    this.nextClient = firstClient;
    side.hooks.preProxy.tap('balancer-check', ({ upstream }) =>
      upstream === undefined ? undefined : this.onChosen(upstream),
    );
    side.hooks.judge.tap('balancer-check', ({ error }) =>
      error !== undefined && this.retries() ? retry : undefined,
    );
  }

  /** The pool `default`. */
  get pool(): Pool {
    return this.side.pools.default;
  }

  /** The upstream of this id in the pool `default`. */
  upstream(id: string): Upstream {
    const upstream = this.pool.get(id);
    if (upstream === undefined) throw new Error(`the check lost ${id}`);
    return upstream;
  }

  /** Asks the balancer once, for a request that is not run. */
  async choose(ctx: ProxyContext): Promise<Upstream | undefined> {
    return await this.settled(this.side.select(ctx));
  }

  /** Like {@link choose}; throws unless the chosen upstream is allowed. */
  async expectChoice(pool: Pool, ctx: ProxyContext = context({ pool })): Promise<Upstream> {
    return expectAvailable(await this.choose(ctx), pool);
  }

  async expectNothing(pool: Pool): Promise<void> {
    const chosen = await this.choose(context({ pool }));
    if (chosen !== undefined) throw new Error(`${chosen.id} was chosen though no upstream was available`);
  }

  /** Runs a request to its end. Throws for mistakes of the balancer, not for how the request ends. */
  async run(options: RunOptions): Promise<RunResult> {
    return expectChosen(await this.settled(this.side.run({ answers: [this.usual()], ...options })));
  }

  /** Has a request explained, which is not sent anywhere. Throws for mistakes of the balancer. */
  async explain(options: ExplainOptions): Promise<void> {
    const { server, response } = await this.settled(this.side.explain(options));
    if (response.code === 'PLUGIN_FAILED') throw new Error(response.why);
    if (server === undefined) throw new Error('nothing was chosen for a request that is only explained');
  }

  private usual(): UpstreamAnswer {
    return { status: 200, after: this.latency };
  }

  /**
   * Starts a request whose first attempt ends as `answerFor` says for its upstream; further ones succeed. It is in flight
   * until a promised answer arrives.
   */
  async begin(
    options: RunOptions,
    answerFor: (upstream: Upstream) => UpstreamAnswer | Promise<UpstreamAnswer>,
  ): Promise<{ readonly upstream: Upstream; readonly result: Promise<RunResult> }> {
    const answer = Promise.withResolvers<UpstreamAnswer>();
    let chosen: Upstream | undefined;
    this.onChosen = upstream => {
      if (chosen === undefined) answer.resolve(answerFor(upstream));
      chosen ??= upstream;
      return undefined;
    };
    const running = this.side.run({ ...options, answers: [answer.promise, this.usual()] });
    let isOver = false;
    const end = () => {
      isOver = true;
    };
    running.then(end, end);
    await this.until(() => chosen !== undefined || isOver);
    this.onChosen = () => undefined;
    if (chosen === undefined) throw new Error(whyNothing(await running));
    return { upstream: chosen, result: running };
  }

  /** Runs requests, and leaves those in flight that get this upstream, up to five; returns how these are ended. */
  async hold(id: string): Promise<() => Promise<void>> {
    const held: Promise<unknown>[] = [];
    const answer = Promise.withResolvers<number>();
    for (let n = 0; n < 200 && held.length < 5; n++) {
      const { upstream, result } = await this.begin(client(n), chosen =>
        chosen.id === id ? answer.promise : this.usual(),
      );
      if (upstream.id === id) held.push(result);
      else await this.settled(result);
    }
    if (held.length === 0) throw new Error(`${id} was never chosen, in 200 requests`);
    return async () => {
      answer.resolve(200);
      await this.settled(Promise.all(held));
    };
  }

  /**
   * Runs requests one after another and counts where they went. Each is from a new client: a balancer that keeps clients
   * at their upstreams need not move them.
   */
  async count(requests: number, shares = new Shares()): Promise<Shares> {
    for (let n = 0; n < requests; n++) {
      const { upstream } = await this.run(client(this.nextClient++));
      if (upstream !== undefined) shares.add(upstream.id);
    }
    return shares;
  }

  /** The result of a promise, which a balancer may have to wait for; an Error if it does not settle. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const settling = () => {
      isSettled = true;
    };
    promise.then(settling, settling);
    await this.until(() => isSettled);
    return await promise;
  }

  /** Waits: for promises at first, then for the event loop and for timers, those of the trial's clock included. */
  async until(isDone: () => boolean): Promise<void> {
    for (let turn = 0; !isDone(); turn++) {
      if (turn < promiseTurns) await undefined;
      else if (turn === mostTurns) throw new Error('the choice never settled');
      else {
        await (turn < promiseTurns + loopTurns ? settle() : sleep(10));
        if (!isDone()) this.side.clock.advance(Math.min(2 ** (turn - promiseTurns), 1000));
      }
    }
  }

  /** Lets promises and the event loop continue, but no time pass. */
  async turn(): Promise<void> {
    await settle();
  }
}

/** Throws unless an upstream was chosen that is in this pool and available. */
export function expectAvailable(chosen: unknown, pool: Pool): Upstream {
  if (!(chosen instanceof Upstream)) throw new Error('nothing was chosen though upstreams were available');
  if (pool.get(chosen.id) !== chosen) throw new Error(`${chosen.id} was chosen, which is not in the pool`);
  if (!chosen.available) throw new Error(`${chosen.id} was chosen, which is ${chosen.state}`);
  return chosen;
}

function expectChosen(result: RunResult): RunResult {
  const { error, upstream } = result;
  // Faults of a check are not failures of a plugin.
  if (upstream === undefined || error?.code === 'PLUGIN_FAILED') throw new Error(whyNothing(result));
  return result;
}

function whyNothing({ error }: RunResult): string {
  if (error?.code === 'PLUGIN_FAILED') return error.message;
  return 'nothing was chosen though upstreams were available';
}
