// AwayProblem: what is reported while etcd cannot be reached.
import * as assert from 'uvu/assert';
import type { NewProblem } from '../../../core/events/problems.ts';
import { FakeClock } from '../../../core/testing.ts';
import { AwayProblem } from '../../../plugins/etcd/away-problem.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the problem that etcd is away');

test('is reported with time and reason, not for a moment, not again for each reason, and withdrawn', () => {
  const clock = new FakeClock(new Date(2026, 2, 1, 14, 3, 30).getTime());
  const store = { stale: true, silentFor: Number.POSITIVE_INFINITY, awayBecause: 'connection refused' };
  const texts: (string | undefined)[] = [];
  const problem = (_: string, reported: NewProblem | undefined) => void texts.push(reported?.text);
  const away = new AwayProblem({ store, events: { problem }, clock });
  const look = (seconds: number) => {
    for (let n = 0; n < seconds; n++) {
      away.look();
      clock.advance(1_000);
      if (Number.isFinite(store.silentFor)) store.silentFor += 1_000;
    }
  };
  look(2);
  assert.equal(texts, []);
  look(3);
  store.awayBecause = 'no answer in time';
  look(50);
  assert.equal(texts, ['etcd has not answered since 14:03: connection refused']);
  look(30);
  assert.is(texts.at(-1), 'etcd has not answered since 14:03: no answer in time');
  store.stale = false;
  look(1);
  assert.equal([texts.length, texts.at(-1)], [3, undefined]);
  Object.assign(store, { stale: true, silentFor: 60_000, awayBecause: '' });
  look(3);
  assert.match(texts.at(-1) ?? '', /^etcd has not answered since 14:03: its watch was lost$/);
});
