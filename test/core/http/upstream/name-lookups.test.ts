// NameLookups: answers are shared, kept, and kept longer while no name server responds. The clock is fake.
import type { LookupAddress } from 'node:dns';
import * as assert from 'uvu/assert';
import { NameLookups } from '../../../../core/http/upstream/name-lookups.ts';
import type { NameAnswer } from '../../../../core/http/upstream/name-sources.ts';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('NameLookups');

const found = (ms: number, ...addresses: string[]): NameAnswer => ({
  kind: 'found',
  ms,
  addresses: addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
});
const unanswered: NameAnswer = { kind: 'unanswered', why: 'ETIMEOUT' };
const unknown: NameAnswer = { kind: 'unknown' };

/** Sources that answer when the test says so. */
class Asked {
  readonly names: string[] = [];
  private readonly open: ((answer: NameAnswer) => void)[] = [];

  ask(name: string): Promise<NameAnswer> {
    this.names.push(name);
    return new Promise(resolve => this.open.push(resolve));
  }

  /** Responds to the query that has waited longest. */
  async answer(answer: NameAnswer): Promise<void> {
    const open = this.open.shift();
    assert.ok(open !== undefined, 'nothing was asked');
    open(answer);
    await turn();
  }
}

/** What look-ups were called back with, in order: an address or an error code. */
function setUp() {
  const clock = new FakeClock();
  const asked = new Asked();
  const { lookup } = new NameLookups(clock, asked);
  const told: string[] = [];
  const look = (name: string): void =>
    lookup(name, { all: true }, (error, addresses) => {
      const all = Array.isArray(addresses) ? addresses : [];
      told.push(
        error === null ? all.map(({ address }: LookupAddress) => address).join(' ') : String(error.code),
      );
    });
  /** The callbacks since the last call. */
  const heard = async (): Promise<string[]> => {
    await turn();
    return told.splice(0);
  };
  return { clock, asked, look, heard };
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

test('asks once for all concurrent look-ups of a name', async () => {
  const { asked, look, heard } = setUp();
  for (let n = 0; n < 100; n++) look(n % 2 === 0 ? 'a.test' : 'A.test');
  assert.equal(asked.names, ['a.test']);
  assert.equal(await heard(), []);
  await asked.answer(found(5_000, '192.0.2.1'));
  assert.equal(await heard(), Array(100).fill('192.0.2.1'));
});

test('keeps an answer for its TTL', async () => {
  const { clock, asked, look, heard } = setUp();
  look('a.test');
  await asked.answer(found(5_000, '192.0.2.1'));
  clock.advance(4_999);
  look('a.test');
  assert.equal(await heard(), ['192.0.2.1', '192.0.2.1']);
  assert.is(asked.names.length, 1);
  clock.advance(1);
  look('a.test');
  await asked.answer(found(5_000, '192.0.2.2'));
  assert.equal(await heard(), ['192.0.2.2']);
});

for (const { ttl, kept } of [
  { ttl: 0, kept: 1_000 },
  { ttl: 86_400_000, kept: 30_000 },
]) {
  test(`keeps an answer with a TTL of ${ttl} ms for ${kept} ms`, async () => {
    const { clock, asked, look } = setUp();
    look('a.test');
    await asked.answer(found(ttl, '192.0.2.1'));
    clock.advance(kept - 1);
    look('a.test');
    assert.is(asked.names.length, 1);
    clock.advance(1);
    look('a.test');
    assert.is(asked.names.length, 2);
  });
}

test('returns the old answer after a short wait for the new one, and at once after a failure', async () => {
  const { clock, asked, look, heard } = setUp();
  look('a.test');
  await asked.answer(found(1_000, '192.0.2.1'));
  await heard();
  clock.advance(60_000);
  look('a.test');
  look('a.test');
  clock.advance(199);
  assert.equal(await heard(), []);
  clock.advance(1);
  assert.equal(await heard(), ['192.0.2.1', '192.0.2.1']);
  await asked.answer(unanswered);
  clock.advance(5_000);
  look('a.test');
  assert.equal(await heard(), ['192.0.2.1']);
  assert.is(asked.names.length, 3);
  await asked.answer(found(1_000, '192.0.2.3'));
  look('a.test');
  assert.equal(await heard(), ['192.0.2.3']);
});

test('keeps the last good answer while no name server gives another', async () => {
  const { clock, asked, look, heard } = setUp();
  look('a.test');
  await asked.answer(found(1_000, '192.0.2.1'));
  for (let hour = 0; hour < 48; hour++) {
    clock.advance(3_600_000);
    look('a.test');
    await asked.answer(unanswered);
  }
  assert.equal(await heard(), Array(49).fill('192.0.2.1'));
});

test('drops the addresses of a name that has not existed for 30 s', async () => {
  const { clock, asked, look, heard } = setUp();
  look('a.test');
  await asked.answer(found(1_000, '192.0.2.1'));
  clock.advance(1_000);
  for (let second = 0; second < 30; second += 10) {
    look('a.test');
    await asked.answer(unknown);
    clock.advance(10_000);
  }
  assert.equal(await heard(), Array(4).fill('192.0.2.1'));
  look('a.test');
  await asked.answer(unknown);
  look('a.test');
  assert.equal(await heard(), ['192.0.2.1', 'ENOTFOUND']);
});

for (const { answer, code } of [
  { answer: unknown, code: 'ENOTFOUND' },
  { answer: unanswered, code: 'EAI_AGAIN' },
]) {
  test(`an answer of the kind ${answer.kind} fails with ${code}, and is kept for a second`, async () => {
    const { clock, asked, look, heard } = setUp();
    look('a.test');
    await asked.answer(answer);
    clock.advance(999);
    look('a.test');
    assert.equal(await heard(), [code, code]);
    assert.is(asked.names.length, 1);
    clock.advance(1);
    look('a.test');
    assert.is(asked.names.length, 2);
  });
}

test('addresses of the first family take turns, and the others come last', async () => {
  const { asked, look, heard } = setUp();
  look('a.test');
  await asked.answer(found(1_000, '192.0.2.1', '192.0.2.2', '2001:db8::1'));
  look('a.test');
  look('a.test');
  assert.equal(await heard(), [
    '192.0.2.1 192.0.2.2 2001:db8::1',
    '192.0.2.2 192.0.2.1 2001:db8::1',
    '192.0.2.1 192.0.2.2 2001:db8::1',
  ]);
});

test('asks for 500 names at once, and for more in turn', async () => {
  const { asked, look, heard } = setUp();
  for (let n = 0; n < 600; n++) look(`${n}.test`);
  assert.is(asked.names.length, 500);
  for (let n = 0; n < 600; n++) await asked.answer(found(1_000, `192.0.2.${n % 250}`));
  assert.is(asked.names.length, 600);
  assert.is((await heard()).length, 600);
});
