// Explanations: the manager's side of POST /explain, with workers that answer, do not answer, or end.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../core/errors.ts';
import { explainInput } from '../../core/explain/explain-input.ts';
import type { Explanation } from '../../core/explain/explanation.ts';
import { parse } from '../../core/options/options.ts';
import { Explanations } from '../../core/process/explanations.ts';
import type { ManagerMessage } from '../../core/process/messages.ts';
import { FakeClock, settle } from '../../core/testing.ts';
import { suite } from '../support/suite.ts';

const test = suite('explanations');

const request = parse(explainInput, { url: '/' });
const explanation: Explanation = {
  method: 'GET',
  url: '/',
  clientIp: '127.0.0.1',
  listener: '',
  steps: [],
  pool: 'default',
  sends: [],
  response: { status: 200, by: 'upstream', headers: [] },
  notes: [],
  ms: 0,
};

function start(workers: readonly number[]) {
  const clock = new FakeClock();
  const sent: { readonly worker: number; readonly question: number }[] = [];
  const explanations = new Explanations({
    clock,
    workers: () => workers,
    send(worker, message: ManagerMessage) {
      if (message.type === 'explain') sent.push({ worker, question: message.question });
    },
  });
  return { clock, sent, explanations };
}

async function failureOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (thrown) {
    if (!(thrown instanceof WeldrError)) throw thrown;
    return `${thrown.code} ${thrown.message}`;
  }
  return 'none';
}

test('ask the workers in turn, and accept an answer only from the worker that was asked', async () => {
  const { sent, explanations } = start([3, 5]);
  const [first, second] = [explanations.explain(request), explanations.explain(request)];
  assert.equal(sent.map(({ worker }) => worker).sort(), [3, 5]);
  for (const { worker, question } of sent) {
    explanations.answered(worker + 1, question, { explanation });
    explanations.answered(worker, question, { explanation });
    explanations.answered(worker, question, { explanation });
  }
  assert.equal([(await first).worker, (await second).worker].sort(), [3, 5]);
});

test('fail with the problem that a worker found', async () => {
  const { sent, explanations } = start([1]);
  const asked = explanations.explain(request);
  const problem = { code: 'INPUT_INVALID', message: 'url: no', field: 'url' } as const;
  explanations.answered(1, sent[0]?.question ?? 0, { problem });
  assert.is(await failureOf(asked), 'INPUT_INVALID url: no');
});

test('do not wait for a worker that does not exist, ends, or hangs', async () => {
  const none = start([]);
  assert.match(await failureOf(none.explanations.explain(request)), /^CONFLICT no worker takes requests/);
  const { clock, explanations } = start([1]);
  const asked = explanations.explain(request);
  explanations.gone(2);
  explanations.gone(1);
  assert.match(await failureOf(asked), /^CONFLICT worker 1 has ended/);
  const hanging = explanations.explain(request);
  await settle();
  clock.advance(10_000);
  assert.match(await failureOf(hanging), /^PLUGIN_FAILED worker 1 did not explain it within 10 s/);
});

test('are limited to 16 at a time', async () => {
  const { sent, explanations } = start([1]);
  const asked = Array.from({ length: 16 }, () => explanations.explain(request));
  assert.match(await failureOf(explanations.explain(request)), /^LIMIT_REACHED 16 requests/);
  for (const { question } of sent) explanations.answered(1, question, { explanation });
  await Promise.all(asked);
  const again = explanations.explain(request);
  explanations.answered(1, sent.at(-1)?.question ?? 0, { explanation });
  assert.is((await again).worker, 1);
});
