// The keys of a provider: when they are fetched, how often at most, and what happens while it is away.
import { createServer, type RequestListener, type Server } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as assert from 'uvu/assert';
import { describeError } from '../../../core/errors.ts';
import {
  managerSide,
  settle,
  type TestManagerSide,
  type TestWorkerSide,
  workerSide,
} from '../../../core/testing.ts';
import { type JwtOptions, jwt } from '../../../plugins/jwt/index.ts';
import { KeyServer } from '../../../plugins/jwt/key-server.ts';
import { publicKeysIn } from '../../../plugins/jwt/public-keys.ts';
import { type Origin, startOrigin } from '../../support/origin.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('keys for jwt');

const pairs = await Promise.all(['one', 'two', 'three'].map(() => generateKeyPair('ES256')));
const names = ['one', 'two', 'three'];

/** The JWKS of some of the keys. */
async function setOf(...kids: string[]): Promise<string> {
  const keys = await Promise.all(
    kids.map(async kid => {
      const pair = pairs[names.indexOf(kid)];
      if (pair === undefined) throw new Error(`there is no key ${kid}`);
      return { ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256', use: 'sig' };
    }),
  );
  return JSON.stringify({ keys });
}

async function requestWith(kid: string, by = kid) {
  const pair = pairs[Math.max(0, names.indexOf(by))];
  if (pair === undefined) throw new Error('there are no keys');
  const token = await new SignJWT({ sub: 'ann', exp: 4_000_000_000 })
    .setProtectedHeader({ alg: 'ES256', kid })
    .sign(pair.privateKey);
  return { headers: { Authorization: `Bearer ${token}` } };
}

interface Ends {
  readonly manager: TestManagerSide;
  readonly workers: readonly TestWorkerSide[];
  readonly provider: Provider;
}

/** A real provider, whose answers a test chooses. */
interface Provider {
  readonly origin: Origin;
  keys: string;
  status: number;
  headers: Record<string, string>;
  /** Answers wait until it resolves. */
  hold: Promise<void>;
}

async function withProvider(
  use: (ends: Ends) => Promise<void>,
  options: Partial<JwtOptions> = {},
  workerCount = 2,
): Promise<void> {
  const provider: Provider = {
    keys: await setOf('one'),
    status: 200,
    headers: {},
    hold: Promise.resolve(),
    origin: await startOrigin({
      async handle(_, response) {
        await provider.hold;
        response.writeHead(provider.status, provider.headers).end(provider.keys);
      },
    }),
  };
  const plugin = jwt({ jwks: `${provider.origin.url}/keys`, ...options } as JwtOptions);
  const manager = await managerSide(plugin, { servers: ['http://a:1'] });
  const workers: TestWorkerSide[] = [];
  for (let id = 1; id <= workerCount; id++) workers.push(await workerSide(plugin, { manager, id }));
  try {
    await use({ manager, workers, provider });
  } finally {
    for (const worker of workers) await worker.close();
    await manager.close();
    await provider.origin.close();
  }
}

/** Waits until the provider has answered `count` requests, and all workers have the keys. */
async function answered(provider: Provider, count: number): Promise<void> {
  await until(
    `the provider has answered ${count} times`,
    () => provider.origin.requests >= count && provider.origin.inFlight === 0,
  );
  for (let n = 0; n < 5; n++) {
    await new Promise(resolve => setTimeout(resolve, 2));
    await settle();
  }
}

async function statusAt(worker: TestWorkerSide | undefined, kid: string, by = kid): Promise<number> {
  return (await worker?.run(await requestWith(kid, by)))?.status ?? 0;
}

test('are fetched once for all workers and all requests that wait', async () => {
  const released = Promise.withResolvers<void>();
  await withProvider(async ({ workers, provider }) => {
    provider.hold = released.promise;
    const request = await requestWith('one');
    const running = workers.flatMap(worker => Array.from({ length: 10 }, () => worker.run(request)));
    released.resolve();
    const statuses = (await Promise.all(running)).map(({ status }) => status);
    assert.equal(new Set(statuses), new Set([200]));
    assert.is(provider.origin.requests, 1);
  });
});

test('are fetched again when they are old, or sooner if the provider says so, but not too often', async () => {
  for (const [headers, after] of [
    [{}, 600_000],
    [{ 'cache-control': 'public, max-age=300' }, 300_000],
    [{ 'cache-control': 'max-age=86400' }, 600_000],
    [{ 'cache-control': 'max-age=1' }, 60_000],
    [{ 'cache-control': 'no-store' }, 60_000],
  ] as const) {
    await withProvider(
      async ({ manager, provider }) => {
        provider.headers = headers;
        await answered(provider, 1);
        manager.clock.advance(after - 1);
        await settle();
        assert.is(provider.origin.requests, 1);
        manager.clock.advance(1);
        await answered(provider, 2);
        assert.is(provider.origin.requests, 2);
      },
      {},
      0,
    );
  }
});

test('are fetched for an unknown key, once per cool-down, for any number of clients and keys', async () => {
  await withProvider(async ({ manager, workers, provider }) => {
    await answered(provider, 1);
    provider.keys = await setOf('one', 'two');
    for (const worker of workers) {
      for (let n = 0; n < 20; n++) assert.is(await statusAt(worker, `stranger ${n}`, 'one'), 401);
      assert.is(await statusAt(worker, 'two'), 401, 'too soon after the last time');
    }
    assert.is(provider.origin.requests, 1);
    manager.clock.advance(30_000);
    assert.is(await statusAt(workers[0], 'two'), 200);
    assert.is(await statusAt(workers[1], 'two'), 200);
    for (const worker of workers) {
      for (let n = 0; n < 20; n++) assert.is(await statusAt(worker, `another ${n}`, 'one'), 401);
    }
    assert.is(provider.origin.requests, 2);
  });
});

test('that the provider has withdrawn admit no token any more, not even remembered ones', async () => {
  await withProvider(async ({ manager, workers, provider }) => {
    await answered(provider, 1);
    assert.is(await statusAt(workers[0], 'one'), 200);
    provider.keys = await setOf('two');
    manager.clock.advance(600_000);
    await answered(provider, 2);
    assert.is(await statusAt(workers[0], 'one'), 401);
    assert.is(await statusAt(workers[0], 'two'), 200);
  });
});

test('are kept for a limited time while the provider is away, and fetched again at growing intervals', async () => {
  await withProvider(
    async ({ manager, workers, provider }) => {
      await answered(provider, 1);
      provider.status = 503;
      manager.clock.advance(600_000);
      await answered(provider, 2);
      assert.match(
        manager.logs.at(-1)?.msg ?? '',
        /no keys from .*: it returned 503; the last ones are used/,
      );
      for (const pause of [1_000, 2_000, 4_000]) {
        assert.is(await statusAt(workers[0], 'one'), 200);
        const before = provider.origin.requests;
        manager.clock.advance(pause - 1);
        await settle();
        assert.is(provider.origin.requests, before);
        manager.clock.advance(1);
        await answered(provider, before + 1);
      }
      assert.is(await statusAt(workers[0], 'one'), 503);
      assert.match(manager.logs.at(-1)?.msg ?? '', /no token can be checked/);
      provider.status = 200;
      const before = provider.origin.requests;
      manager.clock.advance(8_000);
      await answered(provider, before + 1);
      assert.is(await statusAt(workers[0], 'one'), 200);
    },
    { keep: '606s' },
  );
});

test('that were never fetched cause 503, and no request waits longer than its limit', async () => {
  await withProvider(
    async ({ manager, workers, provider }) => {
      provider.hold = new Promise(() => {});
      const request = await requestWith('one');
      const running = workers[0]?.run(request);
      await until('it is asked', () => provider.origin.inFlight === 1);
      await settle();
      manager.clock.advance(2_000);
      const result = await running;
      assert.equal([result?.status, result?.headers.get('retry-after')], [503, '5']);
      await until('it says so', () => /did not respond within 2000 ms/.test(manager.logs.at(-1)?.msg ?? ''));
      // Until the next fetch no request waits.
      assert.is((await workers[0]?.run(request))?.status, 503);
      assert.is((await workers[0]?.run())?.status, 401, 'a request without a token needs no keys');
    },
    { timeout: '2s' },
  );
});

test('are sent to a worker that starts later, and survive a reload', async () => {
  await withProvider(async ({ manager, provider, workers }) => {
    await answered(provider, 1);
    provider.status = 500;
    const plugin = jwt({ jwks: `${provider.origin.url}/keys` });
    const late = await workerSide(plugin, { manager, id: 9 });
    await settle();
    assert.is(await statusAt(late, 'one'), 200);
    await late.close();
    const next = await managerSide(plugin, { previous: manager, clock: manager.clock });
    const worker = await workerSide(plugin, { manager: next, id: 8 });
    await settle();
    assert.is(await statusAt(worker, 'one'), 200);
    assert.is(provider.origin.requests, 1);
    await worker.close();
    await next.close();
    assert.is(await statusAt(workers[0], 'one'), 200);
  });
});

test('of the first provider are dropped when a reload names another', async () => {
  await withProvider(async ({ manager, provider }) => {
    await answered(provider, 1);
    provider.status = 500;
    const plugin = jwt({ jwks: `${provider.origin.url}/others` });
    const next = await managerSide(plugin, { previous: manager, clock: manager.clock });
    const worker = await workerSide(plugin, { manager: next, id: 8 });
    await answered(provider, 2);
    assert.is(await statusAt(worker, 'one'), 503);
    await worker.close();
    await next.close();
  });
});

/** The outcome of a fetch from a server that answers with `handle`. */
async function fetchFrom(handle: RequestListener): Promise<unknown> {
  const server: Server = createServer(handle);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('it does not listen');
  const url = `http://127.0.0.1:${address.port}/keys`;
  const keyServer = new KeyServer({ url, ca: undefined, timeout: 2_000, userAgent: 'weldr/0' });
  try {
    const { set, maxAge } = await keyServer.fetch(AbortSignal.timeout(5_000));
    return { keys: publicKeysIn(set), maxAge };
  } catch (thrown) {
    return describeError(thrown);
  } finally {
    await keyServer.close();
    server.closeAllConnections();
    server.close();
  }
}

const saidOf = async (handle: RequestListener): Promise<string> => String(await fetchFrom(handle));

test('come only from the configured URL, and are bounded', async () => {
  const set = await setOf('one');
  let asked = 0;
  const redirect: RequestListener = ({ url }, response) => {
    asked++;
    if (url === '/keys') response.writeHead(302, { location: '/elsewhere' }).end();
    else response.end(set);
  };
  assert.is(await fetchFrom(redirect), 'it returned 302: configure the URL that it redirects to');
  assert.is(asked, 1);
  assert.match(await saidOf((_, response) => void response.end('x'.repeat(300_000))), /over 262144 bytes/);
  assert.match(await saidOf((_, response) => void response.end('<html>')), /not JSON/);
  assert.match(await saidOf((_, response) => void response.end('[]')), /not a set of keys/);
  const many = JSON.stringify({ keys: Array.from({ length: 101 }, () => ({})) });
  assert.match(await saidOf((_, response) => void response.end(many)), /over 100 keys/);
  assert.match(
    await saidOf((_, response) => void response.end('{"keys":[{"kty":"oct","k":"AAAA"}]}')),
    /no public key/,
  );
});

test('are taken without those that are private, too short, or for another use', async () => {
  const ec = { ...JSON.parse(await setOf('one')).keys[0] };
  const keys = [
    { ...ec, d: 'secret', kid: 'private too' },
    { ...ec, use: 'enc' },
    { ...ec, key_ops: ['sign'] },
    { kty: 'oct', k: 'c2VjcmV0' },
    { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
    null,
    'key',
  ];
  const answer = await fetchFrom((_, response) => void response.end(JSON.stringify({ keys })));
  const { kty, crv, x, y, alg } = ec;
  assert.equal(answer, { keys: [{ kty, crv, x, y, kid: 'private too', alg }], maxAge: undefined });
});
