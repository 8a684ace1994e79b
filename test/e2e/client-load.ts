// A load on a Weldr that counts the result of every request, for tests that change things meanwhile.
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** A running load. */
export interface ClientLoad {
  /** Complete answers by status. */
  readonly statuses: ReadonlyMap<number, number>;
  /** Answers by the origin that sent them. */
  readonly origins: ReadonlyMap<string, number>;
  /** Errors on the wire, with the time since the start in ms. */
  readonly errors: readonly { readonly text: string; readonly at: number }[];
  /** Requests that were answered, with any status. */
  readonly answered: number;
  /** Ends it; resolves when the last request is over. */
  stop(): Promise<void>;
}

/** Begins `clients` loops of GET requests over keep-alive connections. */
export function startLoad(url: string, clients = 8): ClientLoad {
  const statuses = new Map<number, number>();
  const origins = new Map<string, number>();
  const errors: { text: string; at: number }[] = [];
  const startedAt = performance.now();
  const agent = new Agent({ connections: clients });
  let answered = 0;
  let stopping = false;
  const loop = async () => {
    while (!stopping) {
      try {
        const { statusCode, headers, body } = await request(url, { dispatcher: agent });
        await body.dump();
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1);
        const origin = String(headers['x-origin'] ?? '');
        origins.set(origin, (origins.get(origin) ?? 0) + 1);
        answered++;
      } catch (thrown) {
        errors.push({ text: String(thrown), at: performance.now() - startedAt });
      }
      await sleep(1);
    }
  };
  const loops = Array.from({ length: clients }, loop);
  return {
    statuses,
    origins,
    errors,
    get answered() {
      return answered;
    },
    async stop() {
      stopping = true;
      await Promise.all(loops);
      await agent.close();
    },
  };
}
