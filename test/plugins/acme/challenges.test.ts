// Challenges: which requests are answered, before which plugins, and that all workers do so before the authority asks.
import * as assert from 'uvu/assert';
import { channel, definePlugin } from '../../../core/plugin/define-plugin.ts';
import { FakeClock, managerSide, settle, type TestManagerSide, workerSide } from '../../../core/testing.ts';
import { ChallengeBoard, type ToManager, type ToWorker } from '../../../plugins/acme/challenge-board.ts';
import { acme } from '../../../plugins/acme/index.ts';
import { httpsRedirect } from '../../../plugins/https-redirect/index.ts';
import { ipFilter } from '../../../plugins/ip-filter/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('acme challenges');

const options = { email: 'ops@shop.test', domains: ['shop.test'] };

/** A manager with nothing but a board, under the plugin's name. */
async function boardSide(clock = new FakeClock()): Promise<{ side: TestManagerSide; board: ChallengeBoard }> {
  let board: ChallengeBoard | undefined;
  const plugin = definePlugin({
    name: 'acme',
    channel: channel<ToManager, ToWorker>(),
    manager({ channel: line, clock: time, hooks }) {
      const made = new ChallengeBoard(line, time);
      hooks.workerExited.tap('acme', worker => made.forget(worker));
      board = made;
    },
  });
  const side = await managerSide(plugin(), { clock });
  if (board === undefined) throw new Error('the plugin did not start');
  return { side, board };
}

const path = '/.well-known/acme-challenge/';

test('answers exactly the requests of its challenges, whatever other plugins refuse', async () => {
  const { side, board } = await boardSide();
  const worker = await workerSide([ipFilter({ deny: ['0.0.0.0/0'] }), httpsRedirect(), acme(options)], {
    manager: side,
  });
  await board.set({ abc: 'abc.thumb' });
  const answer = await worker.run({ target: `${path}abc`, host: 'shop.test' });
  assert.equal([answer.status, answer.reply?.body], [200, 'abc.thumb']);
  assert.is(answer.headers.get('content-type'), 'application/octet-stream');
  assert.is((await worker.run({ method: 'HEAD', target: `${path}abc` })).status, 200);
  const passed = await Promise.all(
    [
      { target: `${path}abd` },
      { target: path },
      { target: `${path}abc/` },
      { target: `${path}abc?x` },
      { target: `/x${path}abc` },
      { method: 'POST', target: `${path}abc` },
      { target: '/' },
    ].map(async request => (await worker.run(request)).status),
  );
  assert.equal([...new Set(passed)], [403], 'other requests are left to the other plugins');
  await board.set({});
  assert.is((await worker.run({ target: `${path}abc` })).status, 403, 'it is not answered any more');
});

test('resolves when every worker answers, and not before', async () => {
  const { side, board } = await boardSide();
  const workers = [
    await workerSide(acme(options), { manager: side, id: 1 }),
    await workerSide(acme(options), { manager: side, id: 2 }),
  ];
  await settle();
  await board.set({ abc: 'abc.thumb' });
  for (const worker of workers) assert.is((await worker.run({ target: `${path}abc` })).status, 200);
});

test('sends challenges to a worker that starts later, and does not wait for one that has died', async () => {
  const { side, board } = await boardSide();
  const first = await workerSide(acme(options), { manager: side, id: 1 });
  await board.set({ abc: 'abc.thumb' });
  first.kill();
  const next = await workerSide(acme(options), { manager: side, id: 1 });
  await settle();
  assert.is((await next.run({ target: `${path}abc` })).status, 200);
  const done = board.set({ def: 'def.thumb' });
  next.kill();
  await done;
});

test('waits 5 s for a worker that does not react', async () => {
  const clock = new FakeClock();
  const { side, board } = await boardSide(clock);
  const deaf = definePlugin({ name: 'acme', worker() {} });
  await workerSide(deaf(), { manager: side });
  let done = false;
  const setting = board.set({ abc: 'abc.thumb' }).then(() => {
    done = true;
  });
  await clock.advanceAsync(4_999);
  assert.is(done, false);
  await clock.advanceAsync(1);
  await setting;
  assert.is(clock.pending, 0);
});
