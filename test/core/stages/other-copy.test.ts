// Values that plugins return and throw, made by another copy of Weldr, such as one that their package depends on.
import * as assert from 'uvu/assert';
import type * as ErrorsModule from '../../../core/errors.ts';
import { adoptError, WeldrError } from '../../../core/errors.ts';
import { startFailure } from '../../../core/plugin/start-failure.ts';
import type * as ReplyModule from '../../../core/request/reply.ts';
import { isReply } from '../../../core/request/reply.ts';
import type * as RetryModule from '../../../core/request/retry.ts';
import { Retry } from '../../../core/request/retry.ts';
import { failureOf } from '../../../core/stages/tap-guard.ts';
import { suite } from '../../support/suite.ts';
import { Victim } from './victim.ts';

const test = suite('what another copy of Weldr made');

// The same modules a second time: Node tells them apart by the query.
const again = '?another-copy';
const other = {
  errors: (await import(`../../../core/errors.ts${again}`)) as typeof ErrorsModule,
  reply: (await import(`../../../core/request/reply.ts${again}`)) as typeof ReplyModule,
  retry: (await import(`../../../core/request/retry.ts${again}`)) as typeof RetryModule,
};

test('has other classes', () => {
  assert.not.ok(isReply(other.reply.reply(200)));
  assert.not.ok(other.retry.retry() instanceof Retry);
  assert.not.ok(new other.errors.WeldrError('NOT_FOUND') instanceof WeldrError);
});

test('is a reply', async () => {
  for (const stage of ['request', 'route', 'preProxy', 'postProxy'] as const) {
    const victim = await Victim.start(stage, 'tap');
    const result = await victim.run(() => other.reply.reply(418, 'short', { 'X-A': '1' }), '/', stage);
    assert.equal([result.status, result.headers.get('x-a')], [418, '1'], stage);
    await victim.side.close();
  }
});

test('is a retry, called or not', async () => {
  for (const wish of [other.retry.retry, other.retry.retry()]) {
    const victim = await Victim.start('judge', 'tap');
    const result = await victim.run(() => wish, '/', 'judge');
    assert.ok(result.attempts.length > 1, 'it was tried again');
    await victim.side.close();
  }
});

test('is an error of a client, with its status', () => {
  const failure = failureOf('x', 'request', new other.errors.WeldrError('BODY_TOO_LARGE', 'over 3 bytes'));
  assert.equal([failure.status, failure.code, failure.message], [413, 'BODY_TOO_LARGE', 'over 3 bytes']);
});

test('is a mistake of an operator at the start of a plugin', () => {
  const failure = startFailure('x', new other.errors.WeldrError('CONFIG_INVALID', 'no', { field: 'y' }));
  assert.equal(
    [failure.code, failure.field, failure.message],
    ['CONFIG_INVALID', 'y', 'plugin x did not start: no'],
  );
});

test('keeps its own stack as the cause of an error', () => {
  const thrown = new other.errors.WeldrError('CONFLICT', 'twice');
  const adopted = adoptError(thrown);
  assert.ok(adopted instanceof WeldrError);
  assert.is(adopted.cause, thrown);
});

test('is distinguished from an object that only claims to be one', () => {
  const brand = Symbol.for('weldr.WeldrError');
  const claims = { code: 'NOT_FOUND', message: 'x', [brand]: true };
  assert.is(adoptError(claims), claims);
  class Derived extends other.errors.WeldrError {}
  const derived = new Derived('NOT_FOUND');
  assert.is(adoptError(derived), derived);
  const forged = Object.create(WeldrError.prototype);
  assert.is(adoptError(forged), forged);
});
