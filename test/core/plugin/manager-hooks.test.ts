// The hooks of the manager: a failure of one tap is reported and does not stop the next.
import * as assert from 'uvu/assert';
import type { WeldrError } from '../../../core/errors.ts';
import { createManagerHooks } from '../../../core/plugin/manager-hooks.ts';
import { Upstream } from '../../../core/pool/pool.ts';
import { settle, upstreamRecord } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

/** Plugins break the types: what JavaScript allows. */
// biome-ignore lint/suspicious/noExplicitAny: the point of these tests
type Wrong = any;

const upstream = new Upstream('default', upstreamRecord('http://a:1'));

const manager = suite("the manager's hooks");

manager('await asynchronous taps in order, past those that fail', async () => {
  const reported: WeldrError[] = [];
  const hooks = createManagerHooks(error => void reported.push(error));
  const seen: string[] = [];
  hooks.stopping.tapPromise('one', async () => {
    await settle();
    seen.push('one');
  });
  hooks.stopping.tapPromise('two', async () => await Promise.reject(new Error('two fails')));
  hooks.stopping.tapPromise('three', () => {
    throw new Error('three throws');
  });
  hooks.stopping.tapPromise('four', (() => seen.push('four')) as Wrong);
  hooks.stopping.tap('five', () => void seen.push('five'));
  await hooks.stopping.promise();
  assert.equal(seen, ['one', 'four', 'five']);
  assert.equal(
    reported.map(error => error.message),
    ['plugin two in stopping: two fails', 'plugin three in stopping: three throws'],
  );
});

manager('refuse tapAsync, whose callback could be forgotten', () => {
  const hooks = createManagerHooks(() => {});
  assert.throws(() => hooks.stopping.tapAsync('bad', () => {}), /plugin bad in stopping: used tapAsync\(\)/);
  assert.is(hooks.stopping.taps.length, 0);
});

manager('pass their arguments on', () => {
  const hooks = createManagerHooks(() => {});
  const seen: unknown[] = [];
  hooks.upstreamChanged.tap('look', (changed, before) => void seen.push(changed, before));
  const before = upstreamRecord({ url: 'http://a:1', state: 'down' });
  hooks.upstreamChanged.call(upstream, before);
  assert.equal(seen, [upstream, before]);
});

manager('refuse a tap before one that does not exist', () => {
  const hooks = createManagerHooks(() => {});
  hooks.listening.tap('known', () => {});
  assert.throws(
    () => hooks.listening.tap({ name: 'lost', before: 'unknown' }, () => {}),
    /plugin lost in listening: must run before unknown/,
  );
  hooks.listening.tap({ name: 'found', before: 'known' }, () => {});
  assert.equal(
    hooks.listening.taps.map(tap => tap.name),
    ['found', 'known'],
  );
});
