// Servers that are full: how many requests each worker may give one, and which have room.
import * as assert from 'uvu/assert';
import { Pool, type Upstream } from '../../../core/pool/pool.ts';
import { shareOfWorker } from '../../../core/pool/vantage.ts';
import { upstreamRecord } from '../../../core/testing.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';

const test = suite('maxConnections of a server');

test('is divided among the workers to the last request, with at least one each', () => {
  const sharesOf = (all: number, workers: number): number[] =>
    Array.from({ length: workers }, (_, worker) => shareOfWorker(all, { worker, workers, start: 0 }));
  assert.equal(sharesOf(10, 4), [3, 3, 2, 2]);
  assert.equal(sharesOf(8, 4), [2, 2, 2, 2]);
  assert.equal(sharesOf(2, 4), [1, 1, 1, 1]);
  assert.equal(sharesOf(1, 1), [1]);
});

test('makes a server full while it has that many requests, and never in a process that sends none', () => {
  const pool = new Pool('default');
  const server = pool.set(upstreamRecord({ url: 'http://a:1', maxConnections: 2 }));
  server.begin();
  server.begin();
  assert.equal([server.full, server.room], [false, undefined]);
  pool.lookFrom({ worker: 0, workers: 1, start: 0 });
  assert.equal([server.full, server.room], [true, 2]);
  pool.set(upstreamRecord({ url: 'http://a:1', maxConnections: 3 }));
  assert.is(server.full, false);
  pool.set(upstreamRecord('http://a:1'));
  assert.equal([server.full, server.room], [false, undefined]);
});

test('keeps the list of servers with room correct through any changes', () => {
  const pool = new Pool('default');
  pool.setSettings({ subset: { size: 12 } });
  pool.lookFrom({ worker: 0, workers: 1, zone: 'a', start: 0.1 });
  const random = randomOf(5);
  const busy: Upstream[] = [];
  for (let n = 0; n < 6_000; n++) {
    const url = `http://10.0.0.${random(25)}`;
    const dice = random(8);
    const known = pool.get(url);
    if (dice === 0) pool.delete(url);
    else if (dice === 1) {
      const state = random(3) === 0 ? 'down' : 'active';
      pool.set(
        upstreamRecord({ url, state, zone: random(2) === 0 ? 'a' : 'b', maxConnections: 1 + random(3) }),
      );
    } else if (dice < 5 && known !== undefined) {
      known.begin();
      busy.push(known);
    } else busy.splice(random(busy.length + 1), 1)[0]?.end();
    const { candidates } = pool;
    const ready = Array.from({ length: candidates.ready }, (_, at) => candidates.at(at));
    assert.equal(new Set(ready), new Set(pool.available));
    assert.is(
      pool.inFlight,
      pool.available.reduce((sum, { inFlight }) => sum + inFlight, 0),
    );
    for (const [at, upstream] of ready.entries()) assert.is(upstream?.full, at >= candidates.roomy);
  }
});
