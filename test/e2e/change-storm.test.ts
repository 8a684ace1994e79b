// Routes and pools that change constantly under load: no request fails, and none meets a rule that was replaced.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { ChangeStorm } from './change-storm.ts';

const test = suite('changes under load');

test('fail no request over HTTP/1.1 and HTTP/2, and are active for all requests sent after their answer', async () => {
  const storm = await ChangeStorm.start();
  try {
    await storm.load.more(50);
    await storm.run({ routeChanges: 200, pools: 10, switches: 20 });
    await storm.load.more(50);
    assert.equal(storm.load.problems, []);
    assert.is(storm.history.changes, 200 + 20 + 2 * 20);
  } finally {
    await storm.end();
  }
});
