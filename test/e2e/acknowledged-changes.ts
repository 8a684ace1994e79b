// AcknowledgedChanges: changes of routes, pools and servers through admin APIs, and which of them were acknowledged.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

/** The number of slots. */
const things = 20;
const writers = 6;

const routesBody = z.object({
  routes: z.array(
    z.looseObject({ name: z.string(), priority: z.number().optional(), pool: z.string().optional() }),
  ),
});
const poolsBody = z.object({ pools: z.array(z.looseObject({ name: z.string() })) });
const serversBody = z.object({
  servers: z.array(z.looseObject({ url: z.string(), labels: z.record(z.string(), z.string()).optional() })),
});

/** The state of a slot: the number of its change, and whether it exists. */
interface Said {
  readonly number: number;
  readonly isThere: boolean;
}

/**
 * Each thing is one of {@link things} slots: a pool with a server and a route to it, all of one number, which one batch
 * makes or changes and another removes. A slot never exists in part.
 */
export class AcknowledgedChanges {
  /** The last answered change of each slot. */
  private readonly confirmed = new Map<number, Said>();
  /** The changes of each slot that were sent since, without an answer. */
  private readonly open = new Map<number, Said[]>();
  private number = 0;
  private turn = 0;
  answered = 0;

  /** Changes slots until `over()`, through each of these admin APIs in turn; a failed call counts as unanswered. */
  async run(adminUrls: readonly string[], over: () => boolean): Promise<void> {
    const loop = async (writer: number): Promise<void> => {
      for (let n = 0; !over(); n++) {
        // No two writers share a slot.
        const slot = writer + writers * (n % Math.floor(things / writers));
        await this.change(adminUrls[this.turn++ % adminUrls.length] ?? '', slot);
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => loop(writer)));
  }

  /** Returns descriptions of what is missing at an admin API. */
  async missing(adminUrl: string): Promise<string[]> {
    const get = async (path: string): Promise<unknown> => await (await fetch(`${adminUrl}${path}`)).json();
    const routes = new Map(routesBody.parse(await get('/routes')).routes.map(route => [route.name, route]));
    const pools = new Set(poolsBody.parse(await get('/pools')).pools.map(({ name }) => name));
    const problems: string[] = [];
    for (const [slot, confirmed] of this.confirmed) {
      const name = `slot-${slot}`;
      const route = routes.get(name);
      const servers = pools.has(name) ? serversBody.parse(await get(`/pools/${name}/servers`)).servers : [];
      const found = {
        route: route?.priority,
        pool: pools.has(name),
        servers: servers.map(({ labels }) => Number(labels?.['number'])),
      };
      const possible = [confirmed, ...(this.open.get(slot) ?? [])];
      const expected = possible.map(({ number, isThere }) =>
        isThere
          ? { route: number, pool: true, servers: [number] }
          : { route: undefined, pool: false, servers: [] },
      );
      if (expected.some(one => isDeepStrictEqual(one, found))) continue;
      problems.push(
        `${name} is ${JSON.stringify(found)}, not ${expected.map(one => JSON.stringify(one)).join(' or ')}`,
      );
    }
    return problems;
  }

  private async change(adminUrl: string, slot: number): Promise<void> {
    const number = ++this.number;
    const name = `slot-${slot}`;
    const url = 'http://127.0.0.1:9';
    const isThere = number % 5 > 0;
    const said = { number, isThere };
    this.open.set(slot, [...(this.open.get(slot) ?? []), said]);
    const changes = isThere
      ? [
          { kind: 'pool', op: 'put', name, value: {} },
          { kind: 'server', op: 'put', pool: name, value: { url, labels: { number: String(number) } } },
          { kind: 'route', op: 'put', name, value: { path: `/${name}`, pool: name, priority: number } },
        ]
      : [
          { kind: 'route', op: 'remove', name },
          { kind: 'server', op: 'remove', pool: name, url },
          { kind: 'pool', op: 'remove', name },
        ];
    try {
      const answer = await fetch(`${adminUrl}/batch`, { method: 'POST', body: JSON.stringify({ changes }) });
      const text = await answer.text();
      // There was nothing to remove.
      if (!isThere && answer.status === 404)
        this.open.set(
          slot,
          (this.open.get(slot) ?? []).filter(one => one !== said),
        );
      else if (answer.ok) {
        this.confirmed.set(slot, said);
        this.open.delete(slot);
        this.answered++;
      } else if (answer.status !== 503) throw new Error(`${answer.status} ${text}`);
    } catch (thrown) {
      // The process was killed: the change may have been made, or not.
      if (!(thrown instanceof TypeError)) throw thrown;
    }
  }
}
