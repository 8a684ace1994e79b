// The channel between the two sides of a plugin, over real processes and within one.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('channel');

/** Each worker greets at its start; the manager answers it and, once all have started, broadcasts. */
const config = (workers: number) => `
import { defineConfig, reply } from 'weldr';
export default defineConfig({
  listen: '127.0.0.1:0', workers: ${workers},
  plugins: [{
    name: 'greeter',
    worker({ channel, hooks, id, log }) {
      const line = channel;
      line.onMessage(message => log.info({ id, heard: message }, 'worker heard'));
      line.send({ hello: id });
    },
    manager({ channel, log, hooks }) {
      const line = channel;
      line.onMessage((message, worker) => {
        log.info({ from: worker, heard: message }, 'manager heard');
        line.send(worker, { welcome: worker });
      });
      hooks.listening.tap('greeter', () => {
        log.info({ workers: line.workers }, 'manager sees');
        line.broadcast({ all: true });
      });
    },
  }],
});`;

for (const workers of [0, 3]) {
  test(`carries messages both ways with ${workers} worker processes`, async () => {
    const weldr = await startWeldr({ config: config(workers) });
    try {
      const numbers = workers === 0 ? [1] : [1, 2, 3];
      const heard = (msg: string) => weldr.logs.filter(record => record.msg === msg);
      await until('all have heard', () => heard('worker heard').length === numbers.length * 2);
      assert.equal(
        heard('manager heard')
          .map(record => record['from'])
          .sort(),
        numbers,
      );
      assert.equal(heard('manager sees')[0]?.['workers'], numbers);
      for (const id of numbers) {
        const own = heard('worker heard').filter(record => record['id'] === id);
        assert.equal(
          own.map(record => record['heard']),
          [{ welcome: id }, { all: true }],
        );
      }
    } finally {
      await weldr.stop();
    }
  });
}
