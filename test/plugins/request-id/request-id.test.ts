// The request-id plugin: which ids are accepted, which are made, and where they appear.
import * as assert from 'uvu/assert';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import { reportPluginError } from '../../../core/plugin/report-plugin-error.ts';
import { reply } from '../../../core/request/reply.ts';
import { createHooks } from '../../../core/stages/request-hooks.ts';
import { context, type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { errorPages, requestId, retry, roundRobin } from '../../../plugins/index.ts';
import type { RequestIdOptions } from '../../../plugins/request-id/index.ts';
import { UuidSource } from '../../../plugins/request-id/uuid.ts';
import { suite } from '../../support/suite.ts';

const test = suite('request-id');

const upstreams = ['http://a:1', 'http://b:1'];
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`;

async function run(options: RequestIdOptions, request: RunOptions): Promise<RunResult> {
  const side = await workerSide([roundRobin(), retry(), requestId(options)], { upstreams });
  return await side.run(request);
}

test('makes unique UUIDs of version 7 that sort by time', () => {
  const source = new UuidSource();
  const ids = Array.from({ length: 5_000 }, (_, n) => source.next(1_700_000_000_000 + Math.floor(n / 100)));
  assert.is(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, uuid);
  assert.is(ids[0]?.slice(0, 13), '018bcfe5-6800');
  assert.ok((ids[0] ?? '') < (ids[100] ?? ''));
  assert.is(new Set(ids.map(id => id.slice(-12))).size, ids.length);
});

test('accepts the id or the trace of a trusted peer, and no other', async () => {
  const id = async (request: RunOptions, options: RequestIdOptions = {}) => {
    const { ctx, headers, sent } = await run(options, request);
    assert.is(headers.get('x-request-id'), ctx.id);
    assert.equal(sent[0]?.headers.getAll('x-request-id'), [ctx.id]);
    return ctx.id ?? '';
  };
  const given = { headers: { 'x-request-id': 'abc-1', traceparent } };
  assert.match(await id(given), uuid);
  assert.is(await id({ ...given, peerTrusted: true }), 'abc-1');
  assert.is(await id({ headers: { traceparent }, peerTrusted: true }), traceId);
  assert.match(await id({ headers: { traceparent } }), uuid);
  // Of its own list; the client that a proxy names is not the peer.
  const trust = { trust: ['10.0.0.0/8'] };
  assert.is(await id({ ...given, clientIp: '192.0.2.1', peerIp: '10.1.1.1' }, trust), 'abc-1');
  assert.match(
    await id({ ...given, clientIp: '10.1.1.1', peerIp: '192.0.2.1', peerTrusted: true }, trust),
    uuid,
  );
  assert.match(await id({ ...given, peerTrusted: true }, { trust: [] }), uuid);
});

test('accepts no id that is long, odd or sent twice, even from a trusted peer', async () => {
  for (const wrong of ['', 'x'.repeat(129), 'a b', 'a"b', '<script>', 'é', 'a,b', '{jndi:x}']) {
    const { ctx } = await run({}, { headers: { 'x-request-id': wrong }, peerTrusted: true });
    assert.match(ctx.id ?? '', uuid, wrong);
  }
  const twice = [
    ['X-Request-Id', 'a'],
    ['x-request-id', 'b'],
  ] as const;
  const { sent } = await run({}, { headers: twice, peerTrusted: true });
  assert.match(sent[0]?.headers.get('x-request-id') ?? '', uuid);
  assert.is(sent[0]?.headers.getAll('x-request-id').length, 1);
});

test('removes other spellings of the field, and supports a custom name', async () => {
  const headers = { X_Request_Id: 'forged', 'x.request.id': 'forged', Accept: 'a' };
  const { sent } = await run({}, { headers });
  assert.equal(sent[0]?.headers.names, ['Host', 'Accept', 'X-Request-Id']);
  const named = await run({ header: 'X-Correlation-Id' }, { headers: { 'X-Request-Id': 'kept' } });
  assert.is(named.headers.get('x-correlation-id'), named.ctx.id);
  assert.is(named.sent[0]?.headers.get('x-request-id'), 'kept');
});

test('is the same in all attempts, and replaces the upstream’s field', async () => {
  const answers = ['CONNECT_FAILED', { status: 200, headers: { 'X-Request-Id': 'theirs' } }] as const;
  const { ctx, sent, headers } = await run({}, { answers });
  assert.equal(
    sent.map(each => each.headers.get('x-request-id')),
    [ctx.id, ctx.id],
  );
  assert.equal(headers.getAll('x-request-id'), [ctx.id]);
});

test('is on replies, errors, error pages and responses to failing plugins', async () => {
  const plugins = (tap: () => unknown) => [
    definePlugin({ name: 'other', worker: ({ hooks }) => void hooks.request.tap('other', tap as never) })(),
    errorPages({ pages: { '5xx': { 'text/html': 'sorry' } } }),
    requestId(),
    roundRobin(),
  ];
  for (const [tap, status] of [
    [() => reply(403), 403],
    [() => undefined, 504],
    [
      () => {
        throw new Error('oops');
      },
      500,
    ],
  ] as const) {
    const side = await workerSide(plugins(tap), { upstreams });
    const { ctx, headers, status: got } = await side.run({ answers: ['RESPONSE_TIMEOUT'], method: 'POST' });
    assert.equal([got, headers.getAll('x-request-id')], [status, [ctx.id]]);
  }
});

test('keeps the edits of plugins before it', async () => {
  const early = definePlugin({
    name: 'early',
    worker: ({ hooks }) =>
      void hooks.request.tap({ name: 'early', stage: -2000 }, ctx => {
        ctx.outgoing.headers.set('X-A', '1');
        ctx.outgoing.headers.set('X_Request_Id', 'forged');
        return undefined;
      }),
  })();
  const side = await workerSide([early, requestId()], { upstreams });
  const { sent, ctx } = await side.run();
  assert.equal([...(sent[0]?.headers ?? [])].slice(1), [
    ['X-A', '1'],
    ['X-Request-Id', ctx.id],
  ]);
});

test('is in the log line of a plugin that fails after the response', async () => {
  const lines: unknown[] = [];
  const report = reportPluginError({ error: (facts: object) => lines.push(facts) } as never);
  const hooks = createHooks(report, 'late');
  hooks.finished.tap('late', () => {
    throw new Error('oops');
  });
  const ctx = context();
  ctx.identify('abc');
  hooks.finished.call(ctx);
  assert.equal(
    lines.map(line => (line as { requestId?: string }).requestId),
    ['abc'],
  );
});

test('says what is wrong with its options', async () => {
  for (const [options, message] of [
    [{ header: 'a b' }, 'plugins[0].header: expected the name of a field such as "X-Request-Id", got "a b"'],
    [
      { header: 'Host' },
      'plugins[0].header: expected the name of a field such as "X-Request-Id", got "Host"',
    ],
    [
      { trust: ['10.0.0.0/33'] },
      'plugins[0].trust[0]: expected an address, a network such as "10.0.0.0/8" or "unix:", got "10.0.0.0/33"',
    ],
  ] as const) {
    await workerSide(requestId(options as RequestIdOptions)).then(
      () => assert.unreachable(message),
      thrown => assert.is(thrown.message, message),
    );
  }
});
