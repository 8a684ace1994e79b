// ProxyContext, its slots, and replies.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { Upstream } from '../../../core/pool/pool.ts';
import { contextSlot, reply } from '../../../core/request/context.ts';
import { context, upstreamRecord, workerSide } from '../../../core/testing.ts';
import { suite } from '../../support/suite.ts';

const slots = suite('a context slot');

slots('keeps a value for one request only', () => {
  const count = contextSlot<number>('test.count');
  const name = contextSlot<string>('test.name');
  const [one, two] = [context(), context()];
  assert.is(one.get(count), undefined);
  one.set(name, 'one');
  one.set(count, 1);
  two.set(count, 2);
  assert.equal([one.get(count), one.get(name), two.get(count), two.get(name)], [1, 'one', 2, undefined]);
});

slots('is another one at each call, whatever its name', () => {
  const [one, two] = [contextSlot<number>('test.same'), contextSlot<number>('test.same')];
  const ctx = context();
  ctx.set(one, 1);
  assert.equal([ctx.get(one), ctx.get(two)], [1, undefined]);
});

const replies = suite('reply');

replies('sends text as text/plain unless told otherwise', () => {
  assert.is(reply(200, 'hello').headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(reply(200, '{}', { 'Content-Type': 'application/json' }).headers.getAll('content-type'), [
    'application/json',
  ]);
  assert.is(reply(204).headers.length, 0);
  assert.is(reply(200, new Uint8Array(3)).headers.length, 0);
});

for (const status of [0, 100, 199, 600, 200.5, Number.NaN]) {
  replies(`refuses the status ${status}`, () => {
    assert.throws(
      () => reply(status),
      (error: unknown) => error instanceof TypeError,
    );
  });
}

replies('refuses headers that cannot be sent', () => {
  assert.throws(() => reply(302, '', { Location: 'a\r\nSet-Cookie: b' }), /not a value for Location/);
  assert.throws(() => reply(302, '', { 'a b': 'c' }), /not a header name/);
});

const attempts = suite('a new attempt');

attempts('forgets what the last one brought, and keeps what was tried', () => {
  const ctx = context();
  const upstream = new Upstream('default', upstreamRecord('http://a:1'));
  ctx.upstream = upstream;
  ctx.tried = [upstream];
  ctx.status = 502;
  ctx.upstreamStatus = 200;
  ctx.respondedAt = 5;
  ctx.reusedConnection = true;
  ctx.error = new WeldrError('UPSTREAM_RESET');
  ctx.responseHeaders = reply(200, 'x').headers;
  ctx.beginAttempt(2000);
  assert.is(ctx.upstream, undefined);
  assert.is(ctx.error, undefined);
  assert.equal([ctx.status, ctx.upstreamStatus, ctx.respondedAt, ctx.attemptedAt], [0, 0, 0, 2000]);
  assert.is(ctx.reusedConnection, false);
  assert.is(ctx.responseHeaders.length, 0);
  assert.equal(ctx.tried, [upstream]);
});

attempts(
  'that failed can have response headers set, as a plugin does that adds them to everything',
  async () => {
    const side = await workerSide(
      {
        name: 'security',
        worker: ({ hooks }) =>
          hooks.postProxy.tap('security', ctx => {
            ctx.responseHeaders.set('X-Frame-Options', 'DENY');
          }),
      },
      { upstreams: ['http://a:1'] },
    );
    for (let n = 0; n < 2; n++) {
      assert.is((await side.run({ answers: ['CONNECT_FAILED'] })).error?.code, 'CONNECT_FAILED');
    }
  },
);
