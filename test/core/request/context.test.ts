// ProxyContext: what a plugin sees of a request, its slots, notes and times; and replies.
import * as assert from 'uvu/assert';
import { WeldrError } from '../../../core/errors.ts';
import { Pool, Upstream } from '../../../core/pool/pool.ts';
import { type ProxyContext, stateOf } from '../../../core/request/context.ts';
import { contextSlot } from '../../../core/request/context-slot.ts';
import { reply } from '../../../core/request/reply.ts';
import { retry } from '../../../core/request/retry.ts';
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

slots('is a new one each time, whatever its name: a module may be evaluated again', () => {
  const [one, two] = [contextSlot<number>('test.same'), contextSlot<number>('test.same')];
  const ctx = context();
  ctx.set(one, 1);
  assert.equal([ctx.get(one), ctx.get(two), one.name, two.name], [1, undefined, 'test.same', 'test.same']);
});

const facts = suite('the facts of a request');

facts('are those of the client, and cannot be changed', () => {
  const ctx = context({
    method: 'PUT',
    target: '/a?b',
    version: '1.0',
    headers: { 'X-A': '1' },
    host: 'shop.test:81',
    bodyLength: -1,
    upgrade: 'websocket',
    clientIp: '192.0.2.9',
    clientPort: 7,
    scheme: 'https',
    listener: 'public',
    rehearsal: true,
  });
  const { request } = ctx;
  assert.equal(
    [request.method, request.target, request.version, request.host, request.bodyLength, request.upgrade],
    ['PUT', '/a?b', '1.0', 'shop.test:81', -1, 'websocket'],
  );
  assert.equal(
    [ctx.clientIp, ctx.clientPort, ctx.scheme, ctx.listener, ctx.rehearsal, ctx.replayable, ctx.localPort],
    ['192.0.2.9', 7, 'https', 'public', true, false, 8080],
  );
  assert.is(ctx.request, request);
  for (const key of Object.keys(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(request)))) {
    assert.is(Reflect.set(request, key, 'x'), false, key);
  }
  for (const edit of ['append', 'set'] as const) {
    assert.throws(() => request.headers[edit]('X-A', '2'), /this header list cannot be edited/);
  }
  assert.throws(() => request.headers.delete('X-A'), /this header list cannot be edited/);
  assert.equal(request.headers.getAll('x-a'), ['1']);
});

facts('do not change when the outgoing request is edited', () => {
  const ctx = context({ target: '/api/x', headers: { 'X-A': '1' } });
  ctx.outgoing.method = 'POST';
  ctx.outgoing.target = '/x';
  ctx.outgoing.host = 'other.test';
  ctx.outgoing.headers.set('X-A', '2');
  const { request, outgoing } = ctx;
  assert.equal(
    [request.method, request.target, request.host, request.headers.get('host'), request.headers.get('x-a')],
    ['GET', '/api/x', 'example.com', 'example.com', '1'],
  );
  assert.equal(
    [outgoing.method, outgoing.target, outgoing.host, outgoing.headers.get('x-a')],
    ['POST', '/x', 'other.test', '2'],
  );
});

facts('have no response before there is one', () => {
  const ctx = context();
  assert.equal(
    [ctx.response, ctx.status, ctx.error, ctx.attempt, ctx.upstream],
    Array(5).fill(undefined).with(1, 0),
  );
  assert.equal([ctx.attempts, ctx.tried, ctx.notes], [[], [], []]);
});

const outgoing = suite('the outgoing request');

outgoing('refuses what cannot be sent, at once', () => {
  const ctx = context();
  const wrong: [key: 'method' | 'target' | 'host', values: unknown[]][] = [
    ['method', ['', 'GE T', 'CONNECT', 'a\r\n', null, undefined, 5, 'x'.repeat(33)]],
    ['target', ['', 'x', 'http://a/', '/a b', '/a\r\nb', '/#a', '/\\', null, undefined]],
    ['host', ['', 'a b', 'a/b', 'a\r\nb', 'user@a', 'a:65536', 'a,b', null, undefined]],
  ];
  for (const [key, values] of wrong) {
    const before = ctx.outgoing[key];
    for (const value of values) {
      assert.throws(() => Reflect.set(ctx.outgoing, key, value), /^TypeError|not a/);
      assert.is(ctx.outgoing[key], before);
    }
  }
});

outgoing('has one Host, which can be set and neither doubled nor removed', () => {
  const ctx = context();
  const { headers } = ctx.outgoing;
  assert.throws(() => headers.append('Host', 'b.test'), /a request has one Host: set ctx.outgoing.host/);
  assert.throws(() => headers.delete('host'), /a request has one Host/);
  assert.throws(() => headers.set('HOST', 'a b'), /not a host: "a b"/);
  headers.set('host', 'b.test');
  assert.equal([ctx.outgoing.host, headers.getAll('host')], ['b.test', ['b.test']]);
  ctx.outgoing.host = 'c.test:8080';
  assert.equal([ctx.outgoing.host, headers.getAll('host')], ['c.test:8080', ['c.test:8080']]);
  const without = context({ host: '', version: '1.0' });
  without.outgoing.host = 'd.test';
  assert.equal(without.outgoing.headers.getAll('host'), ['d.test']);
});

outgoing('remembers in each attempt that a plugin set Host before', () => {
  const ctx = context();
  const state = stateOf(ctx);
  ctx.outgoing.host = 'set.test';
  assert.is(ctx.outgoing.hasOwnHost, true);
  state.editAttempt();
  state.beginAttempt(new Upstream('default', upstreamRecord('http://a:1')), 0);
  assert.equal([ctx.outgoing.host, ctx.outgoing.hasOwnHost], ['set.test', true]);
  ctx.outgoing.headers.set('X-A', '1');
  assert.equal([ctx.outgoing.host, state.edited?.hasOwnHost], ['set.test', true]);
  const plain = context();
  plain.outgoing.headers.set('X-A', '1');
  assert.is(plain.outgoing.hasOwnHost, false);
});

const times = suite('the times of a request');

times('are the config’s unless set, and are checked', () => {
  const { timeouts } = context();
  for (const key of ['connect', 'response', 'body'] as const) {
    assert.is(timeouts[key], undefined);
    timeouts[key] = 2500;
    assert.is(timeouts[key], 2500);
    for (const wrong of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5', null, {}]) {
      assert.throws(
        () => Reflect.set(timeouts, key, wrong),
        /a timeout is a number of ms from 1 to 2147483647/,
      );
      assert.is(timeouts[key], 2500);
    }
    timeouts[key] = undefined;
    assert.is(timeouts[key], undefined);
  }
});

const notes = suite('notes');

notes('are bounded in number and length, and cannot be changed', () => {
  const ctx = context();
  for (let n = 0; n < 40; n++) ctx.note(`${n}`.padEnd(300, '.'));
  assert.is(ctx.notes.length, 32);
  assert.ok(ctx.notes.every(note => note.length === 256));
  assert.throws(() => (ctx.notes as string[]).push('more'), TypeError);
  const other = context();
  for (const odd of [undefined, null, 5, Symbol('odd')]) other.note(odd as never);
  assert.equal(other.notes, ['undefined', 'null', '5', 'Symbol(odd)']);
});

const transforms = suite('body transforms');

transforms('are functions, a bounded number of them', () => {
  for (const add of ['transformRequest', 'transformResponse'] as const) {
    const ctx = context();
    assert.throws(() => ctx[add]({} as never), /a transform is a function that makes a stream/);
    const make = (): never => {
      throw new Error('not made yet');
    };
    for (let n = 0; n < 16; n++) ctx[add](make);
    assert.throws(() => ctx[add](make), /a body has at most 16 transforms/);
  }
});

const replies = suite('reply');

replies('sends text as text/plain by default', () => {
  assert.is(reply(200, 'hello').headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(reply(200, '{}', { 'Content-Type': 'application/json' }).headers.getAll('content-type'), [
    'application/json',
  ]);
  const { headers } = reply(200, '', [
    ['Link', '</a>'],
    ['Link', '</b>'],
  ]);
  assert.equal([...reply(200, '', headers).headers], [...headers]);
  assert.equal(headers.getAll('link'), ['</a>', '</b>']);
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

replies('refuses a body that cannot be sent', () => {
  for (const body of [null, 5, {}, ['a']])
    assert.throws(() => reply(200, body as never), /a reply's body is/);
});

replies('cannot be changed, so it may serve many requests', () => {
  const made = reply(200, 'x');
  for (const key of ['status', 'headers', 'body', 'more']) assert.is(Reflect.set(made, key, 1), false);
  assert.throws(() => made.headers.append('A', 'b'), /cannot be edited/);
});

const attempts = suite('a new attempt');

attempts('forgets the results of the last one, and keeps what was tried', () => {
  const ctx = context({ pool: new Pool('default') });
  const state = stateOf(ctx);
  const upstream = new Upstream('default', upstreamRecord('http://a:1'));
  state.beginAttempt(upstream, 1000);
  state.attempt?.responded(200, 1500);
  state.status = 502;
  state.error = new WeldrError('UPSTREAM_RESET');
  state.responseHeaders = reply(200, 'x').headers;
  const [record] = ctx.attempts;
  state.forgetAttempt();
  assert.equal(
    [ctx.upstream, ctx.attempt, ctx.error, ctx.response, ctx.status],
    [...Array(4).fill(undefined), 0],
  );
  assert.equal([ctx.tried.length, ctx.tried[0], ctx.attempts.length], [1, upstream, 1]);
  assert.is(ctx.attempts[0], record);
  state.beginAttempt(upstream, 2000);
  assert.equal([ctx.attempt?.startedAt, ctx.attempt?.status, ctx.attempt?.respondedAt], [2000, 0, 0]);
  assert.equal([ctx.attempts.length, ctx.tried.length], [2, 2]);
});

attempts('makes the response of the last one read-only', async () => {
  const seen: string[] = [];
  let kept: { status: number } | undefined;
  const side = await workerSide(
    {
      name: 'keeps',
      worker({ hooks }) {
        hooks.judge.tap('keeps', ctx => {
          kept ??= ctx.response;
          return ctx.attempts.length < 2 ? retry : undefined;
        });
        hooks.preProxy.tap('keeps', () => {
          try {
            if (kept !== undefined) kept.status = 201;
          } catch (thrown) {
            seen.push(String(thrown));
          }
          return undefined;
        });
      },
    },
    { upstreams: ['http://a:1'] },
  );
  assert.is((await side.run()).status, 200);
  assert.equal(seen, ['TypeError: this response was sent or replaced']);
});

attempts('that failed has no response, and respond can edit the error that replaces it', async () => {
  const side = await workerSide(
    {
      name: 'security',
      worker({ hooks }) {
        hooks.postProxy.tap('security', ctx => {
          assert.is(ctx.response, undefined);
          return undefined;
        });
        hooks.respond.tap('security', ctx => void ctx.response?.headers.set('X-Frame-Options', 'DENY'));
      },
    },
    { upstreams: ['http://a:1'] },
  );
  for (let n = 0; n < 2; n++) {
    const { error, headers } = await side.run({ answers: ['CONNECT_FAILED'] });
    assert.equal([error?.code, headers.getAll('x-frame-options')], ['CONNECT_FAILED', ['DENY']]);
  }
});

const ids = suite('the id of a request');

ids('is set once, and cannot be misread in a log', () => {
  const ctx = context();
  assert.is(ctx.id, undefined);
  for (const wrong of ['', 'a b', 'a"', 'a\\b', 'a\nb', 'é', 'x'.repeat(129), 7]) {
    assert.throws(() => ctx.identify(wrong as string), /not an id/);
  }
  assert.throws(() => ctx.identify('a', 'X Id'), /not a header name/);
  assert.is(ctx.id, undefined);
  ctx.identify('abc-1');
  assert.is(ctx.id, 'abc-1');
  assert.throws(() => ctx.identify('def'), /already has the id abc-1/);
});

ids('can be sent to upstreams in place of the client’s, whichever plugin edits the request', () => {
  for (const when of ['never', 'before', 'after']) {
    const ctx = context({ headers: { 'X-Id': 'forged', X_ID: 'forged', A: '1' } });
    if (when === 'before') ctx.outgoing.headers.set('B', '2');
    ctx.identify('abc', 'X-Id');
    if (when === 'after') ctx.outgoing.headers.set('B', '2');
    const state = stateOf(ctx);
    const sent = state.copyHeaders();
    const list = when === 'never' ? sent : ctx.outgoing.headers;
    assert.equal(list.getAll('x-id'), ['abc'], when);
    assert.equal([list.has('x_id'), list.get('a')], [false, '1'], when);
    assert.is(ctx.request.headers.get('x-id'), 'forged');
  }
});

ids('comes with the peer that connected, where a proxy stands before the client', () => {
  assert.equal([context().peerIp, context().peerTrusted], ['192.0.2.1', false]);
  const ctx = context({ clientIp: '192.0.2.7', peerIp: '10.0.0.1', peerTrusted: true });
  assert.equal([ctx.clientIp, ctx.peerIp, ctx.peerTrusted], ['192.0.2.7', '10.0.0.1', true]);
});

ids('is sent to upstreams in all attempts, whenever it was set', async () => {
  for (const when of ['in preProxy', 'in preProxy, after an edit', 'in judge']) {
    const identify = (ctx: ProxyContext): void => {
      if (ctx.id === undefined) ctx.identify('abc', 'X-Id');
    };
    const side = await workerSide(
      {
        name: 'late-id',
        worker({ hooks }) {
          hooks.preProxy.tap('late-id', ctx => {
            if (when.endsWith('edit')) ctx.outgoing.headers.set('B', '2');
            if (when !== 'in judge') identify(ctx);
            return undefined;
          });
          hooks.judge.tap('late-id', ctx => {
            identify(ctx);
            return ctx.error === undefined ? undefined : retry;
          });
        },
      },
      { upstreams: ['http://a:1', 'http://b:1'] },
    );
    const { sent } = await side.run({ headers: { X_ID: 'forged' }, answers: ['CONNECT_FAILED', 200] });
    const last = sent.at(-1)?.headers;
    assert.equal([sent.length, last?.getAll('x-id'), last?.has('x_id')], [2, ['abc'], false], when);
    await side.close();
  }
});
