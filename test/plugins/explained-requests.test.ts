// Requests that are only explained change nothing in any built-in plugin that counts, stores or asks.
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as assert from 'uvu/assert';
import type { Plugin } from '../../core/plugin/plugin.ts';
import {
  FakeClock,
  managerSide,
  settle,
  type TestWorkerSide,
  upstreamRecord,
  workerSide,
} from '../../core/testing.ts';
import { basicAuth } from '../../plugins/basic-auth/index.ts';
import { circuitBreaker } from '../../plugins/circuit-breaker/index.ts';
import { concurrencyLimit } from '../../plugins/concurrency-limit/index.ts';
import { failOpen } from '../../plugins/fail-open/index.ts';
import { forwardAuth } from '../../plugins/forward-auth/index.ts';
import { jwt } from '../../plugins/jwt/index.ts';
import { passiveHealth } from '../../plugins/passive-health/index.ts';
import { peakEwma } from '../../plugins/peak-ewma/index.ts';
import { rateLimit } from '../../plugins/rate-limit/index.ts';
import { retry } from '../../plugins/retry/index.ts';
import { roundRobin } from '../../plugins/round-robin/index.ts';
import { stats } from '../../plugins/stats/index.ts';
import { stickyCookie } from '../../plugins/sticky-cookie/index.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';

const test = suite('explained requests');

const urls = ['http://a:1', 'http://b:1', 'http://c:1'];

async function withSide(
  plugins: readonly Plugin[],
  use: (side: TestWorkerSide) => Promise<void>,
  upstreams: NonNullable<Parameters<typeof workerSide>[1]>['upstreams'] = urls,
): Promise<void> {
  const side = await workerSide(plugins, { upstreams, clock: new FakeClock() });
  try {
    await use(side);
  } finally {
    await side.close();
  }
}

/** Which servers a plain run of requests goes to. */
async function turns(side: TestWorkerSide, count: number): Promise<(string | undefined)[]> {
  const chosen: (string | undefined)[] = [];
  for (let n = 0; n < count; n++) chosen.push((await side.run()).upstream?.id);
  return chosen;
}

test('take no turn of round-robin, and show whose it is, at retries too', async () => {
  await withSide([roundRobin(), retry()], async side => {
    const before = await turns(side, 3);
    const explained = await Promise.all([side.explain(), side.explain(), side.explain()]);
    const failing = await side.explain({ answer: 'CONNECT_FAILED' });
    assert.equal(await turns(side, 3), before);
    assert.equal(
      explained.map(({ server }) => server),
      [before[0], before[0], before[0]],
    );
    assert.equal(
      failing.sends.map(({ server }) => server),
      before,
    );
  });
});

test('take no turn of fail-open', async () => {
  const down = urls.map(url => ({ url, state: 'down' as const }));
  await withSide(
    [roundRobin(), failOpen()],
    async side => {
      const before = await turns(side, 3);
      const explained = [await side.explain(), await side.explain()];
      assert.equal(await turns(side, 3), before);
      assert.equal(
        explained.map(({ server }) => server),
        [before[0], before[0]],
      );
    },
    down,
  );
});

test('teach peak-ewma nothing', async () => {
  const firsts = new Set<string | undefined>();
  for (let n = 0; n < 20; n++) {
    await withSide(
      [peakEwma()],
      async side => {
        // A failure that counted would keep requests away from it.
        await side.explain({ answer: 'CONNECT_FAILED' });
        side.pools.default.set(upstreamRecord('http://b:1'));
        firsts.add((await side.run()).upstream?.id);
      },
      ['http://a:1'],
    );
  }
  assert.is(firsts.size, 2);
});

test('use up no retries, and show when none is left', async () => {
  await withSide([roundRobin(), retry({ budget: 0, minimum: 0.1 })], async side => {
    for (let n = 0; n < 3; n++) {
      const { steps } = await side.explain({ answer: 'CONNECT_FAILED' });
      assert.ok(steps.some(({ word }) => word === 'retries'));
    }
    assert.is((await side.run({ answers: ['CONNECT_FAILED', 200] })).attempts.length, 2);
    const { steps, sends } = await side.explain({ answer: 'CONNECT_FAILED' });
    assert.equal([sends.length, steps.some(({ word }) => word === 'retries')], [1, false]);
  });
});

test('do not increase the budget of retries', async () => {
  await withSide([roundRobin(), retry({ budget: 0.5, minimum: 0 })], async side => {
    for (let n = 0; n < 10; n++) await side.explain();
    assert.is((await side.run({ answers: ['CONNECT_FAILED', 200] })).status, 502);
  });
});

test('are not counted in statistics', async () => {
  const manager = await managerSide(stats(), { servers: urls });
  const worker = await workerSide([stats(), roundRobin()], { manager });
  await worker.explain();
  await worker.explain({ answer: 500 });
  const { body } = await manager.admin('GET', '/stats');
  const nothing = { success: 0, failed: 0 };
  assert.equal(body, { client: nothing, server: nothing });
  await worker.close();
  await manager.close();
});

test('eject no server, and try none on probation', async () => {
  const clock = new FakeClock();
  const plugins = [passiveHealth({ failures: 1, ejection: '1s' }), roundRobin()];
  const manager = await managerSide(plugins, { servers: urls, clock });
  const worker = await workerSide(plugins, { manager });
  const states = () => [...worker.pools.default].map(({ state }) => state).sort();
  await worker.explain({ answer: 'CONNECT_FAILED' });
  await settle();
  assert.equal(states(), ['active', 'active', 'active']);
  const { upstream } = await worker.run({ answers: ['CONNECT_FAILED'] });
  await settle();
  assert.equal(states(), ['active', 'active', 'down']);
  const { steps } = await worker.explain();
  const out = steps.flatMap(({ servers = [] }) => servers).find(({ server }) => server === upstream?.id);
  assert.match(out?.why ?? '', /^down: passive-health: 1 failure/);
  clock.advance(1_000);
  await settle();
  assert.is.not((await worker.explain()).server, upstream?.id);
  assert.is((await worker.run()).upstream, upstream);
  await worker.close();
  await manager.close();
});

test('open no circuit, and show one that is open', async () => {
  await withSide([circuitBreaker({ minRequests: 2 }), roundRobin()], async side => {
    for (let n = 0; n < 5; n++) await side.explain({ answer: 503 });
    assert.is((await side.run()).status, 200);
    for (let n = 0; n < 5; n++) await side.run({ answers: [503] });
    const { response } = await side.explain();
    assert.equal([response.status, response.plugin], [503, 'circuit-breaker']);
  });
});

test('take no token of a limit, and show when there is none', async () => {
  await withSide([rateLimit({ rate: 1 }), roundRobin()], async side => {
    for (let n = 0; n < 3; n++) assert.is((await side.explain()).response.status, 200);
    assert.is((await side.run()).status, 200);
    const { response, notes } = await side.explain();
    assert.equal([response.status, response.plugin, notes], [429, 'rate-limit', ['rate-limit: refused']]);
    assert.is((await side.explain({ clientIp: '198.51.100.9' })).response.status, 200);
  });
});

test('take no place of a concurrency limit, wait for none, and show how many are taken', async () => {
  await withSide([concurrencyLimit({ max: 1, queue: 1 }), roundRobin()], async side => {
    const told: unknown[] = [];
    const tell = async (): Promise<void> => {
      const { response, notes } = await side.explain();
      told.push([response.status, ...notes]);
    };
    await tell();
    const held = Promise.withResolvers<200>();
    const running = side.run({ answers: [held.promise] });
    await settle();
    await tell();
    const waiting = side.run();
    await settle();
    await tell();
    held.resolve(200);
    assert.equal([(await running).status, (await waiting).status], [200, 200]);
    assert.equal(told, [
      [200, 'concurrency-limit: 0 of 1 places are taken, 0 of 1 wait'],
      [200, 'concurrency-limit: it would wait for its turn: 1 of 1 places are taken, 0 of 1 wait'],
      [503, 'concurrency-limit: full: 1 of 1 places are taken, 1 of 1 wait'],
    ]);
  });
});

test('fetch no keys of tokens, and show where there are none', async () => {
  let fetched = 0;
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'one' }];
  // The manager fetches them at its start; the first explanation is to come before they do.
  const explained = Promise.withResolvers<void>();
  const provider = await startOrigin({
    handle(_, response) {
      fetched++;
      void explained.promise.then(() => response.end(JSON.stringify({ keys })));
    },
  });
  const clock = new FakeClock();
  const bearer = async (kid: string) => {
    const token = new SignJWT({ exp: clock.now() / 1_000 + 60 }).setProtectedHeader({ alg: 'ES256', kid });
    return { headers: { Authorization: `Bearer ${await token.sign(privateKey)}` } };
  };
  const plugins = [jwt({ jwks: provider.url, cooldown: '1s' }), roundRobin()];
  const manager = await managerSide(plugins, { servers: urls, clock });
  const worker = await workerSide(plugins, { manager });
  const told = async (kid: string) => {
    const { response, notes } = await worker.explain(await bearer(kid));
    return [response.status, ...notes];
  };
  assert.equal(await told('one'), [
    503,
    'jwt: there are no keys yet, and none are fetched for an explained request',
  ]);
  explained.resolve();
  assert.is((await worker.run(await bearer('one'))).status, 200, 'a real request waits for the keys');
  clock.advance(2_000);
  const before = fetched;
  assert.equal([await told('one'), fetched], [[200], before]);
  const why = 'jwt: the key of the token is unknown; no newer ones are fetched for an explained request';
  assert.equal([await told('two'), fetched], [[401, why], before]);
  await worker.close();
  await manager.close();
  await provider.close();
});

test('check no password, so that they can neither try passwords nor block clients', async () => {
  const users = { ada: '$2b$04$L7rDxBXJI/rC75nE4MHVB.AZPQf0kn7WZ1OZw7C6nr.iDArP5823e' };
  await withSide([basicAuth({ users }), roundRobin()], async side => {
    const told = async (user: string) => {
      const Authorization = `Basic ${Buffer.from(`${user}:a guess`).toString('base64')}`;
      const { response, notes } = await side.explain({ headers: { Authorization } });
      return [response.status, notes[0]];
    };
    const taken = 'basic-auth: the password is not checked for an explained request; taken as right';
    assert.equal(await told('ada'), [200, taken]);
    assert.equal(await told('eve'), [401, 'basic-auth: wrong, there is no such user']);
    assert.is((await side.explain()).response.status, 401);
  });
});

test('ask no auth server', async () => {
  let asked = 0;
  const auth = await startOrigin({
    handle(_, response) {
      asked++;
      response.writeHead(403).end();
    },
  });
  await withSide([forwardAuth({ url: auth.url }), roundRobin()], async side => {
    const { response, notes } = await side.explain();
    assert.equal([response.status, asked], [200, 0]);
    assert.equal(notes, ['forward-auth: not asked for an explained request; taken as admitted']);
    assert.is((await side.run()).status, 403);
  });
  await auth.close();
});

test('show no cookie that would lead to a server', async () => {
  await withSide([stickyCookie({ secret: 'a secret of many letters' }), roundRobin()], async side => {
    const { response } = await side.explain();
    assert.equal(response.headers, [['Set-Cookie', '(hidden)']]);
  });
});
