// AcmeLibrary: acme-client, with its requests sent by a Transport. Its own HTTP client follows environment variables, waits as
// long as an authority says, and loses the details of errors.
import { AsyncLocalStorage } from 'node:async_hooks';
import acme from 'acme-client';
import type { Clock } from '../../core/time/clock.ts';
import { type AcmeAnswer, problemIn, type Transport } from './transport.ts';

/** Identifies whose request it is: the library has one HTTP client for all of its callers. */
interface Caller {
  readonly transport: Transport;
  readonly clock: Clock;
}

const callers = new AsyncLocalStorage<Caller>();

/** Sends the requests that the library makes within `work` on behalf of this caller. */
export async function calling<T>(caller: Caller, work: () => Promise<T>): Promise<T> {
  return await callers.run(caller, work);
}

type Adapter = Extract<typeof acme.axios.defaults.adapter, (config: never) => unknown>;

const carry: Adapter = async config => {
  const caller = callers.getStore();
  if (caller === undefined) throw new Error('a request to an authority has no caller');
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
// Orders are retried as a whole, with a pause that survives a restart.
Object.assign(acme.axios.defaults, { acmeSettings: { retryMaxAttempts: 0, retryDefaultDelay: 0 } });

export { acme };

function methodOf(method: string | undefined): 'GET' | 'HEAD' | 'POST' {
  const name = method?.toUpperCase();
  return name === 'POST' || name === 'HEAD' ? name : 'GET';
}

/** Throws the problem in a response, except for a used nonce, which the library handles itself. */
function refuseProblem(answer: AcmeAnswer, url: string, now: number): void {
  if (answer.status < 400) return;
  const problem = problemIn(answer, url, now);
  if (problem.type !== 'badNonce') throw problem;
}
