// One of three origins fails in different ways: no GET fails, no POST is executed twice, and the origin is soon down.
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import type { TestWeldr } from '../support/weldr.ts';
import { Admin } from './support/admin.ts';
import { type ChaosOrigin, executedTwice, startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { Load } from './support/load.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: a failing origin', { timeoutMs: 900_000, testTimeoutMs: 300_000 });

let origins: ChaosOrigin[] = [];
let weldr: TestWeldr;

test.before(async () => {
  origins = await startOrigins(3);
  weldr = await startChaos({ origins, settings: `timeouts: { connect: '1s', response: '2s' },` });
});

test.after(async () => {
  await weldr.stop();
  assertNoDefect(weldr);
  await Promise.all(origins.map(origin => origin.kill()));
});

interface Failing {
  readonly name: string;
  fail(origin: ChaosOrigin): Promise<void> | void;
  mend(origin: ChaosOrigin): Promise<void> | void;
}

const ways: readonly Failing[] = [
  { name: 'is killed', fail: origin => origin.kill(), mend: origin => origin.start() },
  { name: 'is stopped', fail: origin => origin.signal('SIGSTOP'), mend: origin => origin.signal('SIGCONT') },
  {
    name: 'refuses connections',
    fail: origin => origin.behave('refuse'),
    mend: origin => origin.behave('well'),
  },
  {
    name: 'resets connections',
    fail: origin => origin.behave('reset'),
    mend: origin => origin.behave('well'),
  },
];

for (const way of ways) {
  test(`fails no GET and executes no POST twice when one of three ${way.name}`, async () => {
    const admin = new Admin(weldr);
    const [origin] = origins;
    if (origin === undefined) throw new Error('there is no origin');
    let out = 0;
    const options = { port: portOf(weldr), clients: 12, pauseMs: size(5, 0) };
    const load = await Load.during(options, async running => {
      await running.requestsMore(size(300, 5_000));
      await way.fail(origin);
      // Two intervals of 1 s, one timeout of 900 ms, and a margin for busy machines.
      out = await admin.until(origin, 'down', 5_000);
      await running.requestsMore(size(300, 5_000));
      await sleep(size(0, 10_000));
      await way.mend(origin);
      await admin.until(origin, 'active');
      await running.requestsMore(size(200, 5_000));
    });

    const idempotent = load.failures.filter(({ method }) => method !== 'POST');
    assert.is(idempotent.length, 0, load.summary());
    // A POST that may have been executed fails with 502 or 504, and nothing else goes wrong.
    const unexplained = load.failures.filter(
      ({ kind, status }) => kind !== 'status' || (status !== 502 && status !== 504),
    );
    assert.is(unexplained.length, 0, load.summary());
    assert.equal(executedTwice(origins), []);
    figure(
      `one of three ${way.name}: ${load.requests} requests, 0 failed GET or HEAD, ${load.failures.length} POST ` +
        `answered 502 or 504, 0 executed twice, out after ${Math.round(out)} ms`,
    );
  });
}

test('fails no GET with the settings of the example config, before a check could notice', async () => {
  const own = await startOrigins(3);
  const health = `{ interval: '30s', timeout: '5s', path: '/health', failures: 3, passes: 2 }`;
  const plain = await startChaos({ origins: own, passive: '', health });
  const options = { port: portOf(plain), clients: 12, pauseMs: size(5, 0), methods: ['GET'] };
  const load = await Load.during(options, async running => {
    await running.requestsMore(size(300, 5_000));
    await own[0]?.kill();
    await sleep(size(1_000, 40_000));
    await running.requestsMore(size(300, 5_000));
  });
  assert.is(load.failures.length, 0, load.summary());
  figure(`one of three is killed, example config: ${load.requests} GET requests, 0 failed`);
  await plain.stop();
  assertNoDefect(plain);
  await Promise.all(own.map(origin => origin.kill()));
});
