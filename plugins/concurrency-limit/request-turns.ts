// RequestTurns: lets requests wait for their turn, and turns away those that cannot wait.
import { addressKey } from '../../core/network/address-key.ts';
import type { Counter } from '../../core/plugin/metrics.ts';
import type { WorkerSide } from '../../core/plugin/plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { folded } from '../../core/request/field-aliases.ts';
import { hostName } from '../../core/request/host-pattern.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import type { CancelTimer, Clock } from '../../core/time/clock.ts';
import type { ParsedOptions } from './options.ts';
import { type Outlook, type Turn, Turns } from './turns.ts';

/** The most requests that may wait for all keys together. */
const maxWaiting = 10_000;

/** The most characters of a value, chosen by a client, that count as a key. */
const maxKeyLength = 256;

/** The turn of one request, and the timer of its wait. */
interface OwnTurn extends Turn {
  cancel: CancelTimer | undefined;
}

type Done = (thrown: null, answer?: Reply) => void;

/** One instance of the plugin in a worker. */
export class RequestTurns {
  private readonly options: ParsedOptions;
  private readonly clock: Clock;
  private readonly turns: Turns;
  private readonly refusal: Reply;
  private readonly full: Counter;
  private readonly late: Counter;
  /** A slot per instance: a request may pass several of them. */
  private readonly own = contextSlot<OwnTurn | undefined>('concurrency-limit.turn');

  constructor(options: ParsedOptions, { clock, metrics }: Pick<WorkerSide, 'clock' | 'metrics'>) {
    this.options = options;
    this.clock = clock;
    this.turns = new Turns(options.max, options.queue, maxWaiting);
    this.refusal = refusalWith(options.key === undefined ? 503 : 429);
    const refused = metrics.counter({
      name: 'concurrency_limit_refused_total',
      help: 'Requests that were turned away.',
      labels: ['reason'],
    });
    this.full = refused.labels('full');
    this.late = refused.labels('late');
  }

  /** Calls `done` when the request has its turn, or with a reply when it is turned away. */
  take(ctx: ProxyContext, done: Done): void {
    const { key } = this.options;
    const counted = key === undefined ? '' : keyOf(ctx, key);
    if (ctx.rehearsal) {
      const outlook = this.turns.outlook(counted);
      ctx.note(`concurrency-limit: ${describe(outlook, this.options)}`);
      done(null, outlook.admission === 'full' ? this.refusal : undefined);
      return;
    }
    const turn: OwnTurn = {
      key: counted,
      cancel: undefined,
      granted: () => {
        turn.cancel?.();
        const waited = Math.round(this.clock.monotonic() - ctx.startedAt);
        ctx.note(`concurrency-limit: waited ${waited} ms for its turn`);
        done(null);
      },
    };
    const admission = this.turns.take(turn);
    if (admission === 'full') {
      this.full.inc();
      ctx.note('concurrency-limit: refused, all places are taken and the queue is full');
      done(null, this.refusal);
      return;
    }
    ctx.set(this.own, turn);
    if (admission === 'now') done(null);
    else this.wait(ctx, turn, done);
  }

  /** Gives the turn of a finished request back, or ends its wait. */
  end(ctx: ProxyContext): void {
    const turn = ctx.get(this.own);
    if (turn === undefined) return;
    ctx.set(this.own, undefined);
    turn.cancel?.();
    this.turns.leave(turn);
  }

  private wait(ctx: ProxyContext, turn: OwnTurn, done: Done): void {
    const { queueTimeout } = this.options;
    turn.cancel = this.clock.after(queueTimeout, () => {
      this.turns.leave(turn);
      ctx.set(this.own, undefined);
      this.late.inc();
      ctx.note(`concurrency-limit: refused, its turn did not come within ${queueTimeout} ms`);
      done(null, this.refusal);
    });
  }
}

/** The note for an explained request, which takes no turn. */
function describe(
  { admission, active, waiting }: Outlook,
  { max, queue }: Pick<ParsedOptions, 'max' | 'queue'>,
): string {
  const waits = waiting === 0 && queue === 0 ? '' : `, ${waiting} of ${queue} wait`;
  const now = `${active} of ${max} places are taken${waits}`;
  if (admission === 'now') return now;
  return admission === 'full' ? `full: ${now}` : `it would wait for its turn: ${now}`;
}

function refusalWith(status: 503 | 429): Reply {
  return reply(status, `${status} too many requests at once\n`, { 'Retry-After': '1' });
}

function keyOf(ctx: ProxyContext, key: NonNullable<ParsedOptions['key']>): string {
  if (key === 'client') return addressKey(ctx.clientIp);
  if (key === 'host') return hostName(ctx.request.host).slice(0, maxKeyLength);
  return ctx.request.headers.valuesOfSpellings(folded(key.header)).join().slice(0, maxKeyLength);
}
