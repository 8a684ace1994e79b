// AuthGate: admits and refuses requests by the answers of an auth server.
import type { Counter } from '../../core/plugin/metrics.ts';
import type { WorkerSide } from '../../core/plugin/plugin.ts';
import type { ProxyContext } from '../../core/request/context.ts';
import { contextSlot } from '../../core/request/context-slot.ts';
import { deleteField } from '../../core/request/field-aliases.ts';
import { hopByHop } from '../../core/request/headers.ts';
import { type Reply, reply } from '../../core/request/reply.ts';
import { isAmbiguous, PassedFields, questionOf } from './auth-question.ts';
import type { AuthAnswer, AuthServer } from './auth-server.ts';
import type { ParsedOptions } from './options.ts';

/** Cookies of the auth server for clients of admitted requests. */
const cookies = contextSlot<readonly string[]>('forward-auth.cookies');

const unavailable = reply(503, '503 your access cannot be checked now\n', { 'Retry-After': '5' });
const ambiguous = reply(400, '400 the path is ambiguous\n');
/** Of two fields, the auth server might read one and the upstream the other. */
const twoLogins = reply(400, '400 there is more than one Authorization field\n');

type Done = (thrown: null, answer?: Reply) => void;

/** One instance of the plugin in a worker. */
export class AuthGate {
  private readonly options: ParsedOptions;
  private readonly server: AuthServer;
  private readonly log: WorkerSide['log'];
  private readonly passed: PassedFields;
  private readonly passesLogin: boolean;
  private readonly admitted: Counter;
  private readonly refused: Counter;
  private readonly failed: Counter;
  private asking = 0;

  constructor(
    options: ParsedOptions,
    server: AuthServer,
    { log, metrics }: Pick<WorkerSide, 'log' | 'metrics'>,
  ) {
    this.options = options;
    this.server = server;
    this.log = log;
    this.passed = new PassedFields(options.requestHeaders);
    this.passesLogin = this.passed.has('authorization');
    const results = metrics.counter({
      name: 'forward_auth_total',
      help: 'Requests by the decision of the auth server.',
      labels: ['result'],
    });
    this.admitted = results.labels('admitted');
    this.refused = results.labels('refused');
    this.failed = results.labels('failed');
  }

  /** Calls `done` with a reply for a request that does not pass. */
  look(ctx: ProxyContext, done: Done): void {
    const { ambiguousPaths, concurrency } = this.options;
    if (ambiguousPaths === 'refuse' && isAmbiguous(ctx)) {
      done(null, ambiguous);
    } else if (this.passesLogin && ctx.request.headers.getAll('authorization').length > 1) {
      done(null, twoLogins);
    } else if (ctx.rehearsal) {
      ctx.note('forward-auth: not asked for an explained request; taken as admitted');
      done(null);
    } else if (this.asking >= concurrency) {
      this.failed.inc();
      ctx.note('forward-auth: too many concurrent checks');
      done(null, unavailable);
    } else {
      this.ask(ctx, done);
    }
  }

  /** Adds the cookies of the auth server to the response. */
  respond(ctx: ProxyContext): void {
    for (const cookie of ctx.get(cookies) ?? []) ctx.response?.headers.append('Set-Cookie', cookie);
  }

  private ask(ctx: ProxyContext, done: Done): void {
    this.asking++;
    const abort = this.server.ask(questionOf(ctx, this.passed), (error, answer) => {
      this.asking--;
      ctx.signal.removeEventListener('abort', leave);
      done(null, this.replyTo(ctx, error, answer));
    });
    const leave = (): void => {
      this.asking--;
      abort();
    };
    ctx.signal.addEventListener('abort', leave, { once: true });
  }

  private replyTo(
    ctx: ProxyContext,
    error: Error | undefined,
    answer: AuthAnswer | undefined,
  ): Reply | undefined {
    const verdict = answer === undefined ? 'failed' : verdictOf(answer);
    if (verdict === 'failed') {
      this.failed.inc();
      const why = error?.message ?? `it answered ${answer?.status}`;
      this.log.warn(`the auth server ${this.options.url} made no decision: ${why}`);
      return unavailable;
    }
    if (verdict === 'admitted') {
      this.admitted.inc();
      admit(ctx, answer?.fields ?? [], this.options);
      return undefined;
    }
    this.refused.inc();
    return verdict;
  }
}

/** Returns what a response means: the request is admitted, a refusal for the client, or a failure. */
function verdictOf(answer: AuthAnswer): 'admitted' | 'failed' | Reply {
  const { status } = answer;
  if (status >= 200 && status < 300) return 'admitted';
  // A 304 would be about a cached copy, but the question has no condition.
  if (status < 300 || status >= 500 || status === 304) return 'failed';
  return refusalOf(answer);
}

const notPassedOn = new Set([...hopByHop, 'content-length', 'trailer', 'date']);

function refusalOf({ status, fields, body }: AuthAnswer): Reply | 'failed' {
  try {
    const passedOn = [...pairs(fields)].filter(([name]) => !notPassedOn.has(name.toLowerCase()));
    return reply(status, body ?? '', passedOn);
  } catch {
    // One of its fields cannot be sent.
    return 'failed';
  }
}

function admit(
  ctx: ProxyContext,
  fields: readonly string[],
  { responseHeaders, setCookie }: ParsedOptions,
): void {
  const { headers } = ctx.outgoing;
  for (const wanted of responseHeaders) {
    deleteField(headers, wanted);
    for (const [name, value] of pairs(fields)) {
      if (name.toLowerCase() === wanted.toLowerCase()) headers.append(wanted, value);
    }
  }
  if (!setCookie) return;
  const set = [...pairs(fields)].filter(([name]) => name.toLowerCase() === 'set-cookie');
  if (set.length > 0) ctx.set(cookies, [...(ctx.get(cookies) ?? []), ...set.map(([, value]) => value)]);
}

function* pairs(fields: readonly string[]): Generator<[name: string, value: string]> {
  for (let at = 0; at + 1 < fields.length; at += 2) yield [fields[at] ?? '', fields[at + 1] ?? ''];
}
