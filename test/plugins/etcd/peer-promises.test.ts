// Promises between nodes: a question needs the secret, and a new challenge each time.
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing.ts';
import { askWith, isAnswerTo, PeerPromises, type Question } from '../../../plugins/etcd/peer-promises.ts';
import { suite } from '../../support/suite.ts';

const test = suite('peer promises');
const secret = 'a secret of some length';

function member(objection?: string) {
  const clock = new FakeClock();
  const promises = new PeerPromises({
    ...{ secret, prefix: '/weldr/', nodeName: 'b', clock },
    objection: session => (session < 5 ? 'another node has led since' : objection),
  });
  return { clock, promises };
}

const ask = (words: Partial<Question> = {}, key = secret, prefix = '/weldr/') =>
  askWith(key, prefix, {
    ...{ from: 'a', to: 'b', session: 7, ms: 2000, challenge: '', nonce: 'n', ...words },
  });

/** Asks twice: the first answer brings the challenge. */
function askProperly(promises: PeerPromises, words: Partial<Question> = {}) {
  const challenge = promises.take(ask(words))?.challenge ?? '';
  const asked = ask({ ...words, challenge });
  return { asked, given: promises.take(asked) };
}

test('a promise lasts, from the answer, for the requested time', () => {
  const { clock, promises } = member();
  const { asked, given } = askProperly(promises);
  assert.is(given?.verdict, 'promised');
  assert.ok(given !== undefined && isAnswerTo(secret, '/weldr/', asked, given));
  assert.is(promises.holder, 'a');
  clock.advance(1999);
  assert.is(promises.holder, 'a');
  clock.advance(2);
  assert.is(promises.holder, undefined);
});

test('a question without a challenge of this node gets one, and no promise', () => {
  const { promises } = member();
  assert.is(promises.take(ask())?.verdict, 'again');
  assert.is(promises.take(ask({ challenge: '1.1.x' }))?.verdict, 'again');
  assert.is(promises.holder, undefined);
});

test('a replayed question gets no second promise', () => {
  const { clock, promises } = member();
  const { asked } = askProperly(promises);
  clock.advance(2001);
  assert.is(promises.take(asked)?.verdict, 'again');
  assert.is(promises.holder, undefined);
});

test('a question that was held back gets no promise', () => {
  const { clock, promises } = member();
  const challenge = promises.take(ask())?.challenge ?? '';
  clock.advance(3000);
  assert.is(promises.take(ask({ challenge }))?.verdict, 'again');
});

test('a challenge is valid only for the node that it was given to, until the node that gave it restarts', () => {
  const { promises } = member();
  const challenge = promises.take(ask())?.challenge ?? '';
  assert.is(promises.take(ask({ from: 'c', challenge }))?.verdict, 'again');
  assert.is(member().promises.take(ask({ challenge }))?.verdict, 'again');
});

test('a question without the secret gets no answer', () => {
  const { promises } = member();
  assert.is(promises.take(ask({}, 'another secret')), undefined);
  assert.is(promises.take({ ...ask(), ms: 5000 }), undefined, 'a changed question');
  assert.is(promises.take(ask({ to: 'c' })), undefined, 'one for another node');
  assert.is(promises.take(ask({}, secret, '/other/')), undefined, 'one of another cluster');
});

test('an answer that was changed, or is to another question, is not accepted', () => {
  const { promises } = member('it leads');
  const { asked, given } = askProperly(promises);
  assert.is(given?.verdict, 'refused');
  if (given === undefined) return;
  assert.not.ok(isAnswerTo(secret, '/weldr/', asked, { ...given, verdict: 'promised' }));
  assert.not.ok(isAnswerTo(secret, '/weldr/', ask({ nonce: 'other' }), given));
  assert.is(promises.holder, undefined);
});

test('a leader older than the latest one gets no promise', () => {
  const { promises } = member();
  assert.is(askProperly(promises, { session: 4 }).given?.verdict, 'refused');
});
