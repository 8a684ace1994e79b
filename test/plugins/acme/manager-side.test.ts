// The manager side of acme: when it starts, on which node it orders, and what it shows.
import * as assert from 'uvu/assert';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import { managerSide, settle, type TestManagerSide, workerSide } from '../../../core/testing.ts';
import { type AcmeOptions, acme } from '../../../plugins/acme/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { KeptRows } from '../../support/kept-rows.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('acme manager side');

class SharedRows extends KeptRows {
  override readonly layer = 'cluster';
}

const storeOf = (rows: KeptRows) =>
  definePlugin({ name: 'rows', manager: async ({ operator }) => await operator.useStore(rows) })();

/** With an authority where nothing listens. */
async function start(rows: KeptRows = new KeptRows(), options: Partial<AcmeOptions> = {}) {
  const directory = `https://127.0.0.1:${await freePort()}/dir`;
  const plugin = acme({
    email: 'ops@shop.test',
    domains: ['shop.test', 'www.shop.test'],
    directory,
    ...options,
  });
  return await managerSide([plugin, storeOf(rows)]);
}

const failures = ({ logs }: TestManagerSide): string[] =>
  logs.filter(({ level }) => level === 'error').map(({ msg }) => msg);

const hasFailed = (side: TestManagerSide) =>
  until('it has tried both', async () => {
    await settle();
    return failures(side).length === 2;
  });

test('starts when the workers listen, and shows the outcome', async () => {
  const side = await start();
  await settle();
  assert.equal(failures(side), []);
  side.hooks.listening.call();
  await hasFailed(side);
  const [said = ''] = failures(side);
  assert.match(
    said,
    /^no certificate for shop\.test: no answer from https:\/\/127\.0\.0\.1:\d+\/dir: .*ECONNREFUSED/,
  );
  assert.match(said, '(unreachable); https://127.0.0.1:');
  const { body } = await side.admin('GET', '/acme');
  const { certificates, ordersHere } = body as {
    readonly ordersHere: boolean;
    readonly certificates: readonly { readonly lastFailure: { readonly type: string } }[];
  };
  assert.is(ordersHere, true);
  const [{ lastFailure, ...first } = { lastFailure: undefined }] = certificates;
  const nextOrder = 'nextOrder' in first ? Number(first.nextOrder) : 0;
  assert.equal(first, {
    name: 'shop.test',
    names: ['shop.test'],
    state: 'missing',
    why: 'there is none',
    nextOrder,
    failures: 1,
  });
  assert.ok(nextOrder >= side.clock.now() + 45_000 && nextOrder <= side.clock.now() + 60_000);
  assert.is(lastFailure?.type, 'unreachable');
  await side.close();
  assert.is(side.clock.pending, 0);
});

test('repeats a failed order when an operator asks for it, and no other', async () => {
  const side = await start();
  const refusal = async (name: string): Promise<string> =>
    String(await side.admin('POST', `/acme/${name}/retry`).catch(String));
  assert.match(await refusal('shop.test'), 'the order of shop.test has not failed');
  side.hooks.listening.call();
  await hasFailed(side);
  assert.is((await side.admin('POST', '/acme/shop.test/retry')).status, 202);
  await until('it has tried again', async () => {
    await settle();
    return failures(side).length === 3;
  });
  assert.match(failures(side)[2] ?? '', 'no certificate for shop.test');
  assert.match(
    await refusal('other.test'),
    'acme does not order a certificate other.test; GET /acme lists them',
  );
  const ledger = (fields: object) => {
    const value = { certificates: { 'shop.test': fields } };
    return side.pools.write([{ kind: 'setting', key: 'acme', op: 'patch', value }], 'a test');
  };
  const lastFailure = { type: 'rateLimited', detail: 'enough', at: 0 };
  await ledger({ lastFailure, notBefore: side.clock.now() + 1 });
  assert.match(await refusal('shop.test'), 'the authority rate-limits orders of shop.test: not before 2025-');
  await side.close();
});

test('starts also after a reload that failed, as soon as there are workers', async () => {
  const side = await start();
  await side.clock.advanceAsync(30_000);
  assert.equal(failures(side), []);
  const worker = await workerSide(roundRobin(), { manager: side });
  await side.clock.advanceAsync(30_000);
  await hasFailed(side);
  await worker.close();
  await side.close();
});

test('orders only on the leader in a cluster', async () => {
  const side = await start(new SharedRows());
  side.hooks.listening.call();
  await side.hooks.leaderChanged.promise({ leading: false, leader: 'other', until: 0 });
  await side.clock.advanceAsync(3_600_000);
  assert.equal(failures(side), []);
  const { body } = await side.admin('GET', '/acme');
  assert.is((body as { readonly ordersHere: boolean }).ordersHere, false);
  await side.hooks.leaderChanged.promise({ leading: true, leader: 'this', until: 1e9 });
  await hasFailed(side);
  await side.close();
});

test('refuses an unusable ca, and scopes that are not for all requests', async () => {
  const refusal = async (work: Promise<unknown>): Promise<string> => String(await work.catch(String));
  assert.match(
    await refusal(start(undefined, { ca: '/nowhere/ca.pem' })),
    'ca: /nowhere/ca.pem cannot be read',
  );
  assert.match(await refusal(start(undefined, { ca: import.meta.filename })), 'holds no certificate');
  const inPool = { pools: { api: [acme({ email: 'ops@shop.test', domains: ['shop.test'] })] } };
  assert.match(await refusal(workerSide(roundRobin(), inPool)), 'acme is for all requests');
});
