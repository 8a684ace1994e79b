// A thousand changes of routes and pools under load, also over reloads and an upgrade: no request fails or meets an old rule.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { ChangeStorm } from './change-storm.ts';

const test = suite('many changes under load', { timeoutMs: 900_000, testTimeoutMs: 290_000 });

test('1,000 route changes, 100 pools that come and go, and 50 switches fail no request', async () => {
  const storm = await ChangeStorm.start();
  try {
    await storm.load.more(50);
    await storm.run({ routeChanges: 1_000, pools: 100, switches: 50 });
    await storm.load.more(50);
    assert.equal(storm.load.problems, []);
    assert.is(storm.history.changes, 1_000 + 2 * 100 + 2 * 50);
  } finally {
    await storm.end();
  }
});

test('changes during one reload after another fail no request, and none is lost', async () => {
  const storm = await ChangeStorm.start();
  try {
    let over = false;
    const changes = storm.run({ routeChanges: 400, pools: 30, switches: 30 }).finally(() => {
      over = true;
    });
    let reloads = 0;
    for (; !over || reloads < 5; reloads++) {
      const from = storm.weldr.logs.length;
      storm.weldr.writeConfig(`${storm.text}\n// ${reloads}`);
      storm.weldr.signal('SIGHUP');
      await storm.weldr.logged(({ msg }) => msg === 'reloaded', { from });
    }
    await changes;
    await storm.load.more(200);
    assert.equal(storm.load.problems, []);
  } finally {
    await storm.end();
  }
});

for (const { where, store } of [
  { where: 'in a file', store: undefined },
  { where: 'in memory only', store: '' },
]) {
  test(`changes during upgrades fail no request, and none is lost if they are kept ${where}`, async () => {
    const storm = await ChangeStorm.start(store);
    try {
      const changes = storm.run({ routeChanges: 400, pools: 30, switches: 30 });
      for (let n = 0; n < 3; n++) {
        await storm.load.more(300);
        await storm.upgrade();
      }
      await changes;
      await storm.load.more(200);
      assert.equal(storm.load.problems, []);
    } finally {
      await storm.end();
    }
  });
}
