// Complaints of users of other proxies about the choice of servers: one test for each that no other file covers.
import * as assert from 'uvu/assert';
import { type TestWorkerSide, upstreamRecord, workerSide } from '../../core/testing.ts';
import {
  consistentHash,
  type LeastRequestsOptions,
  leastRequests,
  retry,
  roundRobin,
  routes,
  stickyCookie,
} from '../../plugins/index.ts';
import { suite } from '../support/suite.ts';

const test = suite('balancing and incidents');

const [a, b, c] = ['http://a:1', 'http://b:1', 'http://c:1'] as const;
const sticky = () => stickyCookie({ secret: 'a secret of some length' });

type Request = NonNullable<Parameters<TestWorkerSide['run']>[0]>;

const chosenBy = async (side: TestWorkerSide, request: Request): Promise<string | undefined> =>
  (await side.run(request)).upstream?.id;

/** A request that comes back to this server by its cookie. */
async function homeAt(side: TestWorkerSide, id: string): Promise<Request> {
  for (let n = 0; n < 2000; n++) {
    const { upstream, headers } = await side.run();
    if (upstream?.id === id) return { headers: { Cookie: headers.get('set-cookie')?.split(';')[0] ?? '' } };
  }
  throw new Error(`${id} was never chosen`);
}

test('traefik#8157: a server that gets hardly any new clients keeps those that it has', async () => {
  const side = await workerSide([sticky(), roundRobin()], { upstreams: [a, b] });
  const request = await homeAt(side, b);
  side.pools.default.set(upstreamRecord({ url: a, weight: 1000 }));
  for (let n = 0; n < 20; n++) assert.is(await chosenBy(side, request), b);
  await side.close();
});

test('traefik#1299: a cookie that names a removed or draining server costs no request, and is replaced', async () => {
  const side = await workerSide([sticky(), roundRobin()], { upstreams: [a, b] });
  const request = await homeAt(side, b);
  for (const change of [
    () => side.pools.default.set(upstreamRecord({ url: b, state: 'draining' })),
    () => side.pools.default.set(upstreamRecord({ url: b, state: 'disabled' })),
    () => side.pools.default.delete(b),
  ]) {
    change();
    const { status, upstream, headers } = await side.run(request);
    assert.equal([status, upstream?.id], [200, a]);
    assert.match(headers.get('set-cookie') ?? '', /^weldr=/);
  }
  await side.close();
});

test('envoy#8167: a hash pins a client in the weighted split, and at a server of its pool', async () => {
  const side = await workerSide(
    [
      routes([{ name: 'all', split: { one: 3, two: 1 }, sticky: { hash: 'client' } }]),
      consistentHash({ by: 'client' }),
    ],
    { upstreams: { one: [a, b, c], two: ['http://d:1', 'http://e:1'] } },
  );
  const places = new Set<string | undefined>();
  for (let n = 0; n < 60; n++) {
    const clientIp = `192.0.2.${n}`;
    const first = await chosenBy(side, { clientIp });
    for (let again = 0; again < 3; again++) assert.is(await chosenBy(side, { clientIp }), first);
    places.add(first);
  }
  assert.is(places.size, 5);
  await side.close();
});

test('apisix#13532: a server that is down gives its keys to others and takes back only those', async () => {
  const side = await workerSide(consistentHash(), { upstreams: [a, b, c] });
  const placed = () =>
    Promise.all(Array.from({ length: 120 }, (_, n) => chosenBy(side, { clientIp: `192.0.2.${n}` })));
  const before = await placed();
  side.pools.default.set(upstreamRecord({ url: b, state: 'down' }));
  const meanwhile = await placed();
  for (const [n, id] of before.entries()) {
    if (id === b) assert.is.not(meanwhile[n], b);
    else assert.is(meanwhile[n], id);
  }
  side.pools.default.set(upstreamRecord(b));
  assert.equal(await placed(), before);
  await side.close();
});

for (const [name, options] of [
  ['two', {}],
  ['five', { choices: 5 }],
] satisfies [string, LeastRequestsOptions][]) {
  test(`apisix#13666: scaling out forgets no request in flight: least requests of ${name}`, async () => {
    const side = await workerSide(leastRequests(options), { upstreams: [a, b] });
    const held = Promise.withResolvers<number>();
    const running = Array.from({ length: 20 }, () => side.run({ answers: [held.promise] }));
    await new Promise(resolve => setImmediate(resolve));
    const inFlight = () => [a, b].map(id => side.pools.default.get(id)?.inFlight ?? 0);
    const before = inFlight();
    assert.is((before[0] ?? 0) + (before[1] ?? 0), 20);
    side.pools.default.set(upstreamRecord(c));
    assert.equal(inFlight(), before);
    // A new, idle server is chosen whenever it is compared; the busy ones do not count as idle.
    const chosen: (string | undefined)[] = [];
    for (let n = 0; n < 40; n++) chosen.push(await chosenBy(side, {}));
    assert.ok(chosen.filter(id => id === c).length >= 15, chosen.join());
    side.pools.default.delete(c);
    assert.equal(inFlight(), before);
    held.resolve(200);
    await Promise.all(running);
    assert.equal(inFlight(), [0, 0]);
    await side.close();
  });
}

test('haproxy#3004: the choice ends when all are busy, down or tried', async () => {
  for (const balancer of [leastRequests(), consistentHash({ balance: 1.05 })]) {
    const side = await workerSide([balancer, retry({ attempts: 5, minimum: 100 })], { upstreams: [a, b] });
    for (let n = 0; n < 200; n++) {
      side.pools.default.get(a)?.begin();
      side.pools.default.get(b)?.begin();
    }
    assert.is((await side.run()).status, 200);
    assert.is((await side.run({ answers: ['CONNECT_FAILED'] })).status, 502);
    for (const url of [a, b]) side.pools.default.set(upstreamRecord({ url, state: 'down' }));
    assert.is((await side.run()).status, 503);
    await side.close();
  }
});
