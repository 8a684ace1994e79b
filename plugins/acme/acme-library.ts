// The library acme-client, its requests carried by a Transport: its own way follows environment variables, waits for as
// long as an authority says, and loses what an error was about.
import { AsyncLocalStorage } from 'node:async_hooks';
import acme from 'acme-client';
import type { Clock } from '../../core/time/clock.ts';
import { type AcmeAnswer, problemIn, type Transport } from './transport.ts';

/** Whose requests they are: the library has one way for all of its clients. */
interface Caller {
  readonly transport: Transport;
  readonly clock: Clock;
}

const callers = new AsyncLocalStorage<Caller>();

/** Has the requests that the library makes within `work` carried for this caller. */
export async function calling<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
  return await callers.run(caller, work);
}

type Adapter = Extract<typeof acme.axios.defaults.adapter, (config: never) => unknown>;

const carry: Adapter = async config => {
  const caller = callers.getStore();
  if (caller === undefined) throw new Error('a request to an authority is made for nobody');
  const answer = await caller.transport.send({
    method: methodOf(config.method),
    url: config.url ?? '',
    headers: { 'content-type': 'application/jose+json' },
    body: typeof config.data === 'string' ? config.data : undefined,
  });
  refuseProblem(answer, config.url ?? '', caller.clock.now());
  const { status, headers, text } = answer;
  return { status, statusText: '', headers, data: text, config };
};

acme.axios.defaults.adapter = carry;
// Orders are tried again as a whole, with a pause that a restart does not forget.
Object.assign(acme.axios.defaults, { acmeSettings: { retryMaxAttempts: 0, retryDefaultDelay: 0 } });

export { acme };

function methodOf(method: string | undefined): 'GET' | 'HEAD' | 'POST' {
  const name = method?.toUpperCase();
  return name === 'POST' || name === 'HEAD' ? name : 'GET';
}

/** Throws the problem that an answer tells, but for a used-up nonce, with which the library deals itself. */
function refuseProblem(answer: AcmeAnswer, url: string, now: number): void {
  if (answer.status < 400) return;
  const problem = problemIn(answer, url, now);
  if (problem.type !== 'badNonce') throw problem;
}
