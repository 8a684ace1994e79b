// The admin API of a Weldr, as a chaos run uses it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWeldr } from '../../support/weldr.ts';
import type { ChaosOrigin } from './chaos-origin.ts';

/** What Weldr says of an origin: a server's state and the reason for it; `absent`: it has no such server. */
export interface ServerState {
  readonly state: string;
  readonly reason: string;
}

/** Calls one Weldr's admin API. Every call throws an Error that says what was answered, if it was not a success. */
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

  /** Resolves with the ms that it took until the origin had this state. */
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

  /** Resolves when it has finished what it had and is gone. */
  async remove(origin: ChaosOrigin): Promise<void> {
    await json(await call(`${this.base}/servers/127.0.0.1/${origin.port}?wait=30s`, { method: 'DELETE' }));
  }

  /** Resolves, for a drain, when it has finished what it had. */
  async set(origin: ChaosOrigin, state: 'active' | 'draining'): Promise<void> {
    const url = `${this.base}/servers/127.0.0.1/${origin.port}?wait=30s`;
    await json(await call(url, { method: 'PATCH', body: JSON.stringify({ state }) }));
  }
}

/** A call on a connection of its own, so that none is left open. */
async function call(url: string, init: RequestInit = {}): Promise<Response> {
  return await fetch(url, { ...init, headers: { connection: 'close' } });
}

async function json(answer: Response): Promise<unknown> {
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
