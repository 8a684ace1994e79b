// ctx.tried: balancers read it, and none can change it.
import * as assert from 'uvu/assert';
import { retry } from '../../../core/request/retry.ts';
import { context, firstAvailable, pool, workerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const test = suite('ctx.tried');

test('cannot be changed, so that a plugin spoils no request, this one or another', async () => {
  const side = await workerSide(firstAvailable, { upstreams: ['http://a:1', 'http://b:1', 'http://c:1'] });
  side.hooks.judge.tap('test', ({ error }) => (error === undefined ? undefined : retry));
  const refused: boolean[] = [];
  side.hooks.preProxy.tap('test', ({ tried }) => void refused.push(isFrozen(tried)));
  side.hooks.selectUpstream.tap(
    { name: 'test', stage: -1 },
    ({ tried }) => void refused.push(isFrozen(tried)),
  );
  await side.run({ answers: ['CONNECT_FAILED', 'CONNECT_FAILED', 200] });
  assert.equal(refused, Array(6).fill(true));
  assert.equal(context({ pool: pool() }).tried, []);
});

function isFrozen(tried: readonly unknown[]): boolean {
  assert.throws(() => Array.prototype.push.call(tried, 'me'), TypeError);
  return Object.isFrozen(tried);
}
