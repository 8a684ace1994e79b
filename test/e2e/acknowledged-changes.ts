// AcknowledgedChanges: routes, pools and servers that writers change through admin APIs, and what was acknowledged of them.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

/** How many of each there are. */
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

/** What is said of a thing: the number of a change; undefined: it is not there. */
interface Said {
  readonly number: number;
  readonly isThere: boolean;
}

/**
 * Each thing is one of {@link things} slots: a pool with a server and a route to it, all of one number, which one batch
 * makes or changes and another one removes. What one batch makes is never there in part.
 */
export class AcknowledgedChanges {
  /** The last change of each slot that was answered. */
  private readonly confirmed = new Map<number, Said>();
  /** The changes of each slot that were asked for since, and not answered. */
  private readonly open = new Map<number, Said[]>();
  private number = 0;
  private turn = 0;
  /** Changes that were answered. */
  answered = 0;

  /** Changes things until `over()`, each time through the next of these admin APIs; what fails was not answered. */
  async run(adminUrls: readonly string[], over: () => boolean): Promise<void> {
    const loop = async (writer: number): Promise<void> => {
      for (let n = 0; !over(); n++) {
        // No two writers are at one slot.
        const slot = writer + writers * (n % Math.floor(things / writers));
        await this.change(adminUrls[this.turn++ % adminUrls.length] ?? '', slot);
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, writer) => loop(writer)));
  }

  /** What of that is missing at an admin API, in words. */
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
      // Nothing was there to be removed.
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
      // Its process was killed: it may have been done, or not.
      if (!(thrown instanceof TypeError)) throw thrown;
    }
  }
}
