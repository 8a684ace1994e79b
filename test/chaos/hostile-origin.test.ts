// One of three origins sends nonsense, cuts bodies or never answers: no client gets a wrong byte.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import type { TestWeldr } from '../support/weldr.ts';
import { Admin } from './support/admin.ts';
import { type ChaosOrigin, executedTwice, startOrigins } from './support/chaos-origin.ts';
import { assertNoDefect, portOf, startChaos } from './support/chaos-weldr.ts';
import { type Failure, Load } from './support/load.ts';
import type { Behaviour } from './support/origin-process.ts';
import { figure, size } from './support/size.ts';

const test = suite('chaos: a hostile origin', { timeoutMs: 900_000, testTimeoutMs: 300_000 });

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

interface Hostile {
  readonly behaviour: Behaviour;
  readonly name: string;
  /** Returns whether this behaviour explains the failure. */
  explains(failure: Failure): boolean;
}

const ways: readonly Hostile[] = [
  {
    behaviour: 'garbage',
    name: 'sends garbage in place of responses',
    explains: ({ kind, status }) => kind === 'status' && status === 502,
  },
  {
    behaviour: 'cut',
    name: 'cuts bodies short',
    // The client has seen the head, so only the end of its connection can report the failure.
    explains: ({ kind, status, received }) =>
      (kind === 'lost' && received > 0) || (kind === 'status' && status === 502),
  },
  {
    behaviour: 'hang',
    name: 'never answers',
    explains: ({ kind, status, method }) => kind === 'status' && status === 504 && method === 'POST',
  },
];

for (const { behaviour, name, explains } of ways) {
  test(`gives no client a wrong byte while one of three ${name}`, async () => {
    const admin = new Admin(weldr);
    const [origin] = origins;
    if (origin === undefined) throw new Error('there is no origin');
    const options = { port: portOf(weldr), clients: 12, pauseMs: size(5, 0) };
    const load = await Load.during(options, async running => {
      await running.requestsMore(size(200, 5_000));
      await origin.behave(behaviour);
      await admin.until(origin, 'down');
      await running.requestsMore(size(200, 20_000));
      await origin.behave('well');
      await admin.until(origin, 'active');
      await running.requestsMore(size(200, 5_000));
    });
    const unexplained = load.failures.filter(failure => !explains(failure));
    assert.is(unexplained.length, 0, load.summary());
    assert.equal(executedTwice(origins), []);
    figure(
      `one of three ${name}: ${load.requests} requests, 0 wrong bytes, ${load.failures.length} failed as ` +
        `expected: ${load.summary().replaceAll('\n', ', ')}`,
    );
  });
}
