// The admin API of a Weldr, as chaos runs use it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWeldr } from '../../support/weldr.ts';
import type { ChaosOrigin } from './chaos-origin.ts';

/** The state of an origin's server in Weldr and the reason for it; `absent`: Weldr has no such server. */
export interface ServerState {
  readonly state: string;
  readonly reason: string;
}

/** Calls a Weldr's admin API. Throws an Error with the answer unless a call succeeds. */
export class Admin {
  private readonly base: string;

  constructor({ adminUrl }: TestWeldr) {
    this.base = adminUrl;
  }

  async stateOf(origin: ChaosOrigin): Promise<ServerState> {
    const answer = await call(`${this.base}/servers/127.0.0.1/${origin.port}`);
    if (answer.status === 404) return { state: 'absent', reason: '' };
    return (await json(answer)) as ServerState;
  }

  /** Waits until the origin has this state; resolves with the time it took, ms. */
  async until(origin: ChaosOrigin, state: string, timeoutMs = 30_000): Promise<number> {
    const startedAt = performance.now();
    for (;;) {
      const current = await this.stateOf(origin);
      const elapsed = performance.now() - startedAt;
      if (current.state === state) return elapsed;
      if (elapsed > timeoutMs) throw new Error(`${origin.url} is ${JSON.stringify(current)}, not ${state}`);
      await sleep(10);
    }
  }

  async add(origin: ChaosOrigin): Promise<void> {
    await json(
      await call(`${this.base}/servers`, { method: 'POST', body: JSON.stringify({ url: origin.url }) }),
    );
  }

  /** Resolves when the server has finished its requests and is removed. */
  async remove(origin: ChaosOrigin): Promise<void> {
    await json(await call(`${this.base}/servers/127.0.0.1/${origin.port}?wait=30s`, { method: 'DELETE' }));
  }

  /** For a drain, resolves when the server has finished its requests. */
  async set(origin: ChaosOrigin, state: 'active' | 'draining'): Promise<void> {
    const url = `${this.base}/servers/127.0.0.1/${origin.port}?wait=30s`;
    await json(await call(url, { method: 'PATCH', body: JSON.stringify({ state }) }));
  }
}

/** Calls over a separate connection, so that none stays open. */
async function call(url: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(url, { ...init, headers: { connection: 'close' } });
}

async function json(answer: Response): Promise<unknown> {
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
