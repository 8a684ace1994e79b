// Surrender: ends a leadership over HTTP in the place of a manager that cannot, by the request that its election has described.
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import type { Surrender, SurrenderRequest } from '../../core/plugin/manager-hooks.ts';

/** The time that one origin may take, ms. */
const attemptMs = 400;
/** The time for a login, ms: a password takes etcd a tenth of a second of CPU and more. */
const loginMs = 2000;
/** How many times all origins are asked. */
const rounds = 3;
const longestAnswer = 65_536;

/** Asks one origin after another until one has done it. Resolves with why none has; undefined: it is done. */
export async function surrender({ origins, tls, login, request }: Surrender): Promise<string | undefined> {
  const problems = new Map<string, string>();
  for (let round = 0; round < rounds; round++) {
    for (const origin of origins) {
      try {
        const token =
          login === undefined ? undefined : tokenOf(await post(origin, login, { tls, ms: loginMs }));
        await post(origin, request, { tls, token, ms: attemptMs });
        return undefined;
      } catch (thrown) {
        problems.set(origin, thrown instanceof Error ? thrown.message : String(thrown));
      }
    }
  }
  return [...problems].map(([origin, problem]) => `${origin}: ${problem}`).join('; ');
}

/** Resolves with the body of a 2xx answer; rejects otherwise. */
async function post(
  origin: string,
  { path, body }: SurrenderRequest,
  { tls, token, ms }: { tls: Surrender['tls']; token?: string | undefined; ms: number },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options: RequestOptions = {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      ...(token !== undefined && { authorization: token }),
    },
  };
  const take = (answer: IncomingMessage): void => {
    let text = '';
    answer.setEncoding('utf8');
    answer.on('data', (part: string) => {
      text += part;
      if (text.length > longestAnswer) request.destroy(new Error('its answer is too long'));
    });
    answer.on('end', () => {
      const { statusCode = 0 } = answer;
      if (statusCode >= 200 && statusCode < 300) resolve(text);
      else reject(new Error(`it answered ${statusCode}: ${text.slice(0, 200)}`));
    });
    answer.on('error', reject);
  };
  const request = await start(new URL(path, origin), options, tls, take);
  const timer = setTimeout(() => request.destroy(new Error(`no answer within ${ms} ms`)), ms);
  request.on('error', reject);
  request.end(body);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

// Each module is loaded only when it is needed, because it costs memory.
async function start(
  url: URL,
  options: RequestOptions,
  tls: Surrender['tls'],
  take: (answer: IncomingMessage) => void,
): Promise<ClientRequest> {
  if (url.protocol !== 'https:') return (await import('node:http')).request(url, options, take);
  return (await import('node:https')).request(url, { ...options, ...tls }, take);
}

function tokenOf(body: string): string {
  const { token }: { token?: unknown } = JSON.parse(body);
  if (typeof token !== 'string') throw new Error('it returned no token');
  return token;
}
