// Renewals: what is ordered when, what is kept across restarts and reloads, and which of several nodes orders.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import type { ManagerSide } from '../../../core/plugin/plugin.ts';
import type { Batch, Row } from '../../../core/state/row.ts';
import { FakeClock, managerSide, settle, type TestManagerSide } from '../../../core/testing.ts';
import type { IssueOptions } from '../../../plugins/acme/issuer.ts';
import { Ledger } from '../../../plugins/acme/ledger.ts';
import { AcmeProblem } from '../../../plugins/acme/problem.ts';
import type { RenewalAdvice } from '../../../plugins/acme/renewal-advice.ts';
import { Renewals } from '../../../plugins/acme/renewals.ts';
import { makeCertificate } from '../../support/authority.ts';
import { KeptRows } from '../../support/kept-rows.ts';
import { suite } from '../../support/suite.ts';

const test = suite('acme renewals');

const minute = 60_000;
const day = 24 * 3_600_000;
const shop = { name: 'shop.test', names: ['shop.test'] };

/** A store that can be away. */
class Store extends KeptRows {
  isAway = false;

  override async write(batch: Batch): Promise<undefined> {
    if (this.isAway) throw new WeldrError('STORE_UNAVAILABLE', 'the disk is full');
    return await super.write(batch);
  }
}

/** An authority without a connection: a test sets the outcome of its orders. */
class Issues {
  readonly orders: IssueOptions[] = [];
  /** Problems of the next orders; without one an order succeeds. */
  readonly problems: (AcmeProblem | Promise<never>)[] = [];
  /** The last one is repeated. */
  advices: RenewalAdvice[] = [];
  asked = 0;
  clock: FakeClock | undefined;
  /** The start of its certificates' validity: the machine's clock makes them. */
  since = Date.now();

  async issue(order: IssueOptions) {
    this.orders.push(order);
    const problem = await this.problems.shift();
    if (problem !== undefined) throw problem;
    const elapsed = (this.clock?.now() ?? this.since) - this.since;
    return makeCertificate({ names: order.names, days: 90 + Math.round(elapsed / day) });
  }

  async advice(): Promise<RenewalAdvice | undefined> {
    this.asked++;
    return this.advices.length > 1 ? this.advices.shift() : this.advices[0];
  }
}

interface Node {
  readonly side: TestManagerSide;
  readonly renewals: Renewals;
  readonly ledger: Ledger;
  readonly issues: Issues;
  readonly clock: FakeClock;
  readonly store: Store;
  /** The log messages of level error and above. */
  errors(): string[];
}

interface NodeOptions {
  readonly issues?: Issues;
  readonly store?: Store;
  readonly clock?: FakeClock;
  readonly previous?: TestManagerSide;
  readonly wishes?: readonly { readonly name: string; readonly names: readonly string[] }[];
  readonly directory?: string;
  readonly mayOrder?: () => boolean;
}

async function start(options: NodeOptions = {}): Promise<Node> {
  // Certificates are made by the machine's clock.
  const { issues = new Issues(), store = new Store(), clock = new FakeClock(Date.now()) } = options;
  const { wishes = [shop], directory = 'https://ca.test/dir', mayOrder = () => true } = options;
  issues.clock = clock;
  let made: { renewals: Renewals; ledger: Ledger } | undefined;
  const plugin = definePlugin({
    name: 'acme',
    memory: () => ({ cutOff: new Set<string>() }),
    async manager(side: ManagerSide<never, never, { cutOff: Set<string> }>) {
      await side.operator.useStore(store);
      const ending = new AbortController();
      const ledger = new Ledger(side.pools, side.operator, () => renewals.review());
      const renewals: Renewals = new Renewals({
        ...side,
        wishes,
        directory,
        keyType: 'ecdsa',
        issuer: issues,
        ledger,
        cutOff: side.memory.cutOff,
        signal: ending.signal,
        certificateOf: name => side.operator.entity('certificate', name)?.value['cert'] as string | undefined,
        answer: async () => {},
        mayOrder,
        random: () => 0,
      });
      side.onClose(async () => {
        ending.abort();
        await renewals.ended();
      });
      made = { renewals, ledger };
    },
  });
  const side = await managerSide(plugin(), {
    clock,
    ...(options.previous && { previous: options.previous }),
  });
  if (made === undefined) throw new Error('the plugin did not start');
  const node = {
    ...made,
    side,
    issues,
    clock,
    store,
    errors: () => side.logs.filter(({ level }) => level === 'error').map(({ msg }) => msg),
  };
  made.renewals.review();
  await until(() => issues.orders.length > 0 || !mayOrder());
  return node;
}

/** Waits for everything that needs no time to pass. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 20 || (!holds() && turns < 200); turns++) await settle();
}

const unreachable = new AcmeProblem({ type: 'connection', detail: 'refused', domain: 'shop.test' });

test('orders what is missing, stores it with its record, and orders no more', async () => {
  const { side, issues, store, ledger, clock } = await start();
  const info = side.certificates.get('shop.test');
  assert.equal(info?.names, ['shop.test']);
  assert.is(ledger.entry('shop.test').fingerprint, info?.fingerprint);
  assert.equal([...store.rows.keys()].sort(), ['certificate shop.test', 'setting acme']);
  await clock.advanceAsync(50 * day);
  assert.is(issues.orders.length, 1);
  await side.close();
  assert.is(clock.pending, 0);
});

test('a restart orders nothing that is stored', async () => {
  const { side, store, clock } = await start();
  await side.close();
  const next = await start({ store, clock, mayOrder: () => true, issues: alreadyAsked() });
  assert.is(next.issues.orders.length, 1, 'only the order that the test put there');
  assert.ok(next.side.certificates.get('shop.test'));
  await next.side.close();
});

/** An authority whose list of orders begins with one, so that no test waits for the first. */
function alreadyAsked(): Issues {
  const issues = new Issues();
  issues.orders.push({ names: [], keyType: 'ecdsa', before: undefined, answer: async () => {} });
  return issues;
}

test('renews at two thirds of the lifetime, and names the old certificate to the authority', async () => {
  const { side, issues, clock } = await start();
  const before = side.certificates.get('shop.test');
  await clock.advanceAsync(57 * day - minute * 60);
  assert.is(issues.orders.length, 1);
  await clock.advanceAsync(3 * day + minute * 60);
  assert.is(issues.orders.length, 2);
  assert.match(issues.orders[1]?.before ?? '', '-----BEGIN CERTIFICATE-----');
  assert.is.not(side.certificates.get('shop.test')?.fingerprint, before?.fingerprint);
  await side.close();
});

test('renews when the authority says so, and asks it again when it says', async () => {
  const issues = new Issues();
  const { side, clock } = await start({ issues });
  const now = clock.now();
  const advice = (from: number, until: number): RenewalAdvice => ({
    window: { start: now + from * day, end: now + until * day },
    explanation: 'https://ca.test/why',
    askAgainIn: 10 * 3_600_000,
  });
  assert.is(issues.asked, 1, 'it is asked about the new certificate at once');
  issues.advices = [advice(40, 41), advice(1, 1.1)];
  await clock.advanceAsync(7 * 3_600_000);
  assert.is(issues.asked, 2, 'without advice it is asked again after 6 h');
  await clock.advanceAsync(8 * 3_600_000);
  assert.is(issues.asked, 2);
  await clock.advanceAsync(3 * 3_600_000);
  assert.is(issues.asked, 3);
  const news = side.logs.filter(({ msg }) => msg.includes('https://ca.test/why'));
  assert.equal(
    news.map(({ level }) => level),
    ['warn'],
  );
  assert.is(issues.orders.length, 1);
  await clock.advanceAsync(9 * 3_600_000);
  assert.is(issues.orders.length, 2);
  await side.close();
});

test('a failure is reported with name, reason, remedy and the time of the next attempt, which waits', async () => {
  const issues = new Issues();
  issues.problems.push(unreachable, unreachable);
  const node = await start({ issues });
  const { clock, side, ledger } = node;
  const [said = ''] = node.errors();
  assert.match(
    said,
    'no certificate for shop.test: refused (connection); the authority has to reach this Weldr at http://shop.test',
  );
  assert.match(said, /next attempt at \d{4}-\d\d-\d\dT/);
  await clock.advanceAsync(5 * minute - 1);
  assert.is(issues.orders.length, 1);
  await clock.advanceAsync(1);
  assert.is(issues.orders.length, 2);
  assert.is(ledger.entry('shop.test').failures, 2);
  await until(() => side.problems.list.length === 1);
  const [{ severity, text } = { severity: '', text: '' }] = side.problems.list;
  assert.is(severity, 'error');
  assert.match(
    text,
    'there is no certificate for shop.test: refused (connection); the authority has to reach',
  );
  await clock.advanceAsync(10 * minute - 1);
  assert.is(issues.orders.length, 2);
  await clock.advanceAsync(1);
  await until(() => side.certificates.get('shop.test') !== undefined);
  assert.equal([issues.orders.length, ledger.entry('shop.test').failures], [3, 0]);
  assert.is(ledger.entry('shop.test').lastFailure, undefined);
  await until(() => side.problems.list.length === 0);
  await side.close();
});

test('waits as long across a restart as without one', async () => {
  const issues = new Issues();
  issues.problems.push(new AcmeProblem({ type: 'rateLimited', detail: 'too many', retryAfter: 2 * day }));
  const { side, store, clock } = await start({ issues });
  await side.close();
  const next = await start({ store, clock, issues: alreadyAsked() });
  await clock.advanceAsync(2 * day - 1);
  assert.is(next.issues.orders.length, 1);
  await clock.advanceAsync(1);
  assert.is(next.issues.orders.length, 2);
  await next.side.close();
});

test('an attempt is stored before it is made: a process that dies in it does not repeat it at once', async () => {
  const issues = new Issues();
  issues.problems.push(new Promise<never>(() => {}));
  const { store, clock } = await start({ issues });
  // The first one is never closed, like one that was killed.
  const next = await start({ store, clock, issues: alreadyAsked() });
  await clock.advanceAsync(5 * minute - 1);
  assert.is(next.issues.orders.length, 1);
  await clock.advanceAsync(1);
  assert.is(next.issues.orders.length, 2);
  await next.side.close();
});

for (const end of ['stop', 'reload'] as const) {
  test(`an order that a ${end} cuts off is not a failure, and is repeated at once`, async () => {
    const issues = new Issues();
    const cut = Promise.withResolvers<never>();
    issues.problems.push(cut.promise);
    const { side, store, clock } = await start({ issues });
    // At a reload the store has ended already.
    store.isAway = end === 'reload';
    const closing = side.close();
    cut.reject(new AcmeProblem({ type: 'unreachable', detail: 'aborted' }));
    await closing;
    store.isAway = false;
    const next = await start({ store, clock, ...(end === 'reload' && { previous: side }) });
    await until(() => next.side.certificates.get('shop.test') !== undefined);
    assert.is(next.issues.orders.length, 1);
    assert.equal(next.errors(), []);
    await next.side.close();
  });
}

test('a certificate that is due when it is issued is not renewed repeatedly', async () => {
  const issues = new Issues();
  issues.since += 80 * day;
  const { side, clock } = await start({ issues, clock: new FakeClock(issues.since) });
  await clock.advanceAsync(day - 1);
  assert.is(issues.orders.length, 1);
  await clock.advanceAsync(1);
  assert.is(issues.orders.length, 2);
  await side.close();
});

test('the old certificate stays while its renewal fails', async () => {
  const issues = new Issues();
  const { side, clock } = await start({ issues });
  const before = side.certificates.get('shop.test')?.fingerprint;
  issues.problems.push(...Array.from({ length: 100 }, () => unreachable));
  await clock.advanceAsync(70 * day);
  assert.ok(issues.orders.length > 8 && issues.orders.length < 30, `${issues.orders.length} attempts`);
  assert.is(side.certificates.get('shop.test')?.fingerprint, before);
  await side.close();
});

test('orders nothing while nothing can be stored, and loses nothing that was issued', async () => {
  const store = new Store();
  const issues = new Issues();
  store.isAway = true;
  const node = await start({ store, issues, mayOrder: () => true, clock: new FakeClock(Date.now()) });
  const { side, clock } = node;
  assert.is(issues.orders.length, 0);
  assert.match(node.errors()[0] ?? '', 'nothing is ordered while the store is unavailable: the disk is full');
  const held = Promise.withResolvers<never>();
  issues.problems.push(held.promise);
  store.isAway = false;
  await clock.advanceAsync(minute);
  await until(() => issues.orders.length > 0);
  assert.is(issues.orders.length, 1);
  store.isAway = true;
  // Resolves: it is issued.
  held.resolve(undefined as never);
  await until(() => node.errors().length > 1);
  assert.match(node.errors()[1] ?? '', 'is issued but cannot be stored yet: the disk is full');
  store.isAway = false;
  await clock.advanceAsync(minute);
  await until(() => side.certificates.get('shop.test') !== undefined);
  assert.ok(side.certificates.get('shop.test'));
  assert.is(issues.orders.length, 1, 'without another order');
  await side.close();
});

test('leaves alone what an operator put under the name, and logs it once', async () => {
  const { side, issues, clock } = await start();
  const own = makeCertificate({ names: ['shop.test'] });
  await side.pools.write([{ kind: 'certificate', key: 'shop.test', op: 'put', value: own }], 'ops');
  await clock.advanceAsync(300 * day);
  assert.is(issues.orders.length, 1);
  const said = side.logs.filter(({ level, msg }) => level === 'warn' && msg.includes('is left alone'));
  assert.is(said.length, 1);
  await side.pools.write([{ kind: 'certificate', key: 'shop.test', op: 'remove' }], 'ops');
  await until(() => issues.orders.length > 1);
  await clock.advanceAsync(60 * minute);
  assert.is(issues.orders.length, 2, 'it is ordered once the operator removes theirs');
  await side.close();
});

test('orders again when names were added, or the directory changed', async () => {
  const { side, store, clock } = await start();
  await side.close();
  const both = { name: 'shop.test', names: ['shop.test', 'www.shop.test'] };
  const wider = await start({ store, clock, wishes: [both] });
  assert.equal(wider.issues.orders[0]?.names, ['shop.test', 'www.shop.test']);
  await wider.side.close();
  const other = await start({ store, clock, wishes: [both], directory: 'https://other.test/dir' });
  assert.is(other.issues.orders.length, 1);
  assert.is(other.issues.orders[0]?.before, undefined, 'this authority does not know the old certificate');
  await other.side.close();
});

test('only the node that may orders, and does so once it leads', async () => {
  const store = new Store();
  let leads = false;
  const node = await start({ store, mayOrder: () => leads });
  await node.clock.advanceAsync(day);
  assert.is(node.issues.orders.length, 0);
  leads = true;
  node.renewals.review();
  await until(() => node.issues.orders.length > 0);
  assert.is(node.issues.orders.length, 1);
  await node.side.close();
});

test('one certificate that fails does not hold up the others', async () => {
  const issues = new Issues();
  issues.problems.push(unreachable);
  const api = { name: 'api.test', names: ['api.test'] };
  const { side } = await start({ issues, wishes: [shop, api] });
  await until(() => issues.orders.length > 1);
  assert.equal(
    [side.certificates.get('shop.test'), side.certificates.get('api.test')?.names],
    [undefined, ['api.test']],
  );
  await side.close();
});

test('keeps the key of the account separately, where a store seals secrets', async () => {
  const { side, ledger, store } = await start();
  await ledger.keepAccount('https://ca.test/dir', 'PEM');
  assert.is(ledger.accountKey('https://ca.test/dir'), 'PEM');
  assert.is(ledger.accountKey('https://other.test/dir'), undefined);
  const row: Row | undefined = store.rows.get('setting acme-account');
  assert.equal(row?.value, { directory: 'https://ca.test/dir', tls: { key: 'PEM' } });
  await side.close();
});
