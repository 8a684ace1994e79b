// tracing in isolation: which trace a request belongs to, what servers receive, and the content of its spans.
import * as assert from 'uvu/assert';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { reply } from '../../../core/request/reply.ts';
import { parseTraceParent } from '../../../core/request/trace-parent.ts';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { requestId, retry, roundRobin, routes, tracing } from '../../../plugins/index.ts';
import type { TracingOptions } from '../../../plugins/tracing/index.ts';
import { checkPackages } from '../../../plugins/tracing/packages.ts';
import { TraceIds } from '../../../plugins/tracing/trace-ids.ts';
import { suite } from '../../support/suite.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts';

const test = suite('tracing');

const upstreams = ['http://a.test:8001', 'http://b.test:8002'];
const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const sampledParent = `00-${traceId}-${parentId}-01`;
const unsampledParent = `00-${traceId}-${parentId}-00`;

let receiver: OtlpReceiver;
test.before(async () => {
  receiver = await startOtlpReceiver();
});
test.after(() => receiver.close());

interface Traced extends RunResult {
  readonly server: ReceivedSpan | undefined;
  readonly clients: readonly ReceivedSpan[];
  /** The traceparent that each attempt's server received. */
  readonly told: readonly (string | undefined)[];
}

/** Runs one request, and sends its spans. */
async function run(
  options: TracingOptions,
  request: RunOptions = {},
  others: readonly Plugin[] = [],
): Promise<Traced> {
  const exporter = { url: receiver.url, ...options.exporter };
  const side = await workerSide([...others, roundRobin(), retry(), tracing({ ...options, exporter })], {
    upstreams,
  });
  const result = await side.run(request);
  await side.close();
  assert.equal(side.reported, []);
  const { server, clients } = receiver.trace(result.ctx.traceContext?.traceId ?? '');
  return { ...result, server, clients, told: result.sent.map(({ headers }) => headers.get('traceparent')) };
}

test('makes a span for a request and one for each attempt, whose server receives it', async () => {
  const headers = { 'User-Agent': 'curl/8' };
  const { ctx, server, clients, told } = await run(
    {},
    { target: '/items?token=abc', headers, answers: ['CONNECT_FAILED', 200] },
    [requestId()],
  );
  assert.is(server?.parentId, '');
  assert.is(ctx.id, server?.traceId);
  assert.equal(
    told,
    clients.map(({ spanId }) => `00-${server?.traceId}-${spanId}-01`),
  );
  assert.equal(
    clients.map(span => span.parentId),
    [server?.spanId, server?.spanId],
  );
  assert.is(new Set([server, ...clients].map(span => span?.spanId)).size, 3);
  const { 'network.peer.port': _, ...facts } = server?.attributes ?? {};
  assert.equal(facts, {
    'http.request.method': 'GET',
    'url.scheme': 'http',
    'url.path': '/items',
    'http.response.status_code': 200,
    'server.address': 'example.com',
    'server.port': 80,
    'client.address': '192.0.2.1',
    'network.peer.address': '192.0.2.1',
    'network.protocol.version': '1.1',
    'user_agent.original': 'curl/8',
    'weldr.pool': 'default',
    'weldr.request.id': ctx.id,
    'weldr.response.source': 'upstream',
  });
  const [failed, served] = clients;
  assert.equal([failed?.isError, served?.isError, server?.isError], [true, false, false]);
  assert.match(failed?.message ?? '', 'no connection to the upstream');
  assert.equal(
    clients.map(({ attributes }) => [attributes['error.type'], attributes['http.request.resend_count']]),
    [
      ['CONNECT_FAILED', undefined],
      [undefined, 1],
    ],
  );
  const tried = clients.map(({ attributes }) => attributes['weldr.upstream']);
  assert.equal(tried.toSorted(), upstreams);
  assert.equal(
    clients.map(span => span.attributes['url.full']),
    tried.map(id => `${id}/items`),
  );
  assert.is(served?.attributes['http.response.status_code'], 200);
  assert.match(String(served?.attributes['server.address']), /^[ab]\.test$/);
  assert.equal([server?.name, served?.name], ['GET', 'GET']);
  assert.is(server?.resource['service.name'], 'weldr');
});

test('continues the trace of a trusted peer, and records it if the peer does', async () => {
  const trusted = { peerTrusted: true, headers: { traceparent: sampledParent, tracestate: 'a=1,b=2' } };
  const { server, clients, sent } = await run({ sample: 0 }, trusted);
  assert.equal([server?.traceId, server?.parentId, server?.traceState], [traceId, parentId, 'a=1,b=2']);
  assert.is(clients[0]?.traceState, 'a=1,b=2');
  assert.equal(
    [sent[0]?.headers.getAll('traceparent'), sent[0]?.headers.getAll('tracestate')],
    [[`00-${traceId}-${clients[0]?.spanId}-01`], ['a=1,b=2']],
  );
  const spans = receiver.spans.length;
  const passed = await run(
    { sample: 1 },
    { peerTrusted: true, headers: { traceparent: unsampledParent, tracestate: 'a=1' } },
  );
  assert.equal(passed.told, [unsampledParent]);
  assert.is(passed.sent[0]?.headers.get('tracestate'), 'a=1');
  assert.is(receiver.spans.length, spans);
  // Of its own list.
  const listed = await run(
    { sample: 0, trust: ['10.0.0.0/8'] },
    { peerIp: '10.1.1.1', headers: { traceparent: sampledParent } },
  );
  assert.is(listed.server?.parentId, parentId);
});

test('begins a new trace for an untrusted client, which can neither have it recorded nor join one', async () => {
  const headers = [
    ['Traceparent', sampledParent],
    ['traceparent', sampledParent],
    ['TraceState', 'theirs=1'],
    ['Accept', 'a'],
  ] as const;
  const spans = receiver.spans.length;
  const { sent, told, ctx } = await run({ sample: 0 }, { headers });
  assert.equal(sent[0]?.headers.keys, ['host', 'accept', 'traceparent']);
  assert.match(told[0] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
  assert.is.not(ctx.traceContext?.traceId, traceId);
  assert.is(receiver.spans.length, spans);
  const recorded = await run({ sample: 1 }, { headers: { traceparent: unsampledParent, tracestate: 'x=1' } });
  assert.is(recorded.server?.parentId, '');
  assert.is(recorded.server?.traceState, '');
  assert.is.not(recorded.server?.traceId, traceId);
  assert.not.ok(recorded.sent[0]?.headers.has('tracestate'));
  // Two values, or an invalid one, are ambiguous even from a trusted peer.
  for (const wrong of [
    [
      ['traceparent', sampledParent],
      ['traceparent', unsampledParent],
    ],
    [
      ['traceparent', 'abc'],
      ['tracestate', 'a=1'],
    ],
  ] as const) {
    const { server, sent: asSent } = await run({ sample: 1 }, { headers: wrong, peerTrusted: true });
    assert.is(server?.parentId, '');
    assert.is(asSent[0]?.headers.getAll('traceparent').length, 1);
    assert.not.ok(asSent[0]?.headers.has('tracestate'));
  }
});

test('chooses the share of new traces by their ids', () => {
  const ids = new TraceIds(0.25);
  let sampled = 0;
  const seen = new Set<string>();
  for (let n = 0; n < 20_000; n++) {
    const id = ids.trace();
    seen.add(id);
    assert.match(id, /^[0-9a-f]{32}$/);
    if (ids.sampled) sampled++;
    assert.is(ids.sampled, Number.parseInt(id.slice(18, 28), 16) >= 0.75 * 2 ** 40);
  }
  assert.is(seen.size, 20_000);
  assert.ok(sampled > 4_500 && sampled < 5_500, String(sampled));
  for (const [share, all] of [
    [0, false],
    [1, true],
  ] as const) {
    const extreme = new TraceIds(share);
    for (let n = 0; n < 2_000; n++) {
      extreme.trace();
      assert.is(extreme.sampled, all);
    }
  }
});

test('gives requestId() the trace as the id, and keeps an id from a proxy in the span', async () => {
  const own = await run({ sample: 0 }, {}, [requestId()]);
  assert.is(own.ctx.id, own.ctx.traceContext?.traceId);
  assert.is(own.sent[0]?.headers.get('x-request-id'), parseTraceParent(own.told[0] ?? '')?.traceId);
  const other = sampledParent.replace('00-4b', '00-4c');
  const given = { 'x-request-id': 'abc-1', traceparent: other };
  const brought = await run({}, { headers: given, peerTrusted: true }, [requestId()]);
  assert.equal([brought.ctx.id, brought.server?.attributes['weldr.request.id']], ['abc-1', 'abc-1']);
});

test('says what went wrong, and whose fault it was', async () => {
  const replies = definePlugin({
    name: 'gate',
    worker: ({ hooks }) =>
      void hooks.request.tap('gate', ctx => {
        const status = Number(ctx.request.path.slice(1));
        return status > 0 ? reply(status) : undefined;
      }),
  })();
  const of = async (target: string, answers: RunOptions['answers'] = [200]) => {
    const { server, clients } = await run({}, { target, answers, method: 'POST' }, [replies]);
    const { 'http.response.status_code': status, 'error.type': type } = server?.attributes ?? {};
    const attempt = clients[0];
    return [
      [status, type, server?.isError, server?.attributes['weldr.response.source']],
      attempt === undefined
        ? []
        : [
            attempt.attributes['http.response.status_code'],
            attempt.attributes['error.type'],
            attempt.isError,
          ],
    ];
  };
  assert.equal(await of('/403'), [[403, undefined, false, 'plugin'], []]);
  assert.equal(await of('/503'), [[503, '503', true, 'plugin'], []]);
  assert.equal(await of('/', [404]), [
    [404, undefined, false, 'upstream'],
    [404, '404', true],
  ]);
  assert.equal(await of('/', [500]), [
    [500, '500', true, 'upstream'],
    [500, '500', true],
  ]);
  assert.equal(await of('/', ['RESPONSE_TIMEOUT']), [
    [504, 'RESPONSE_TIMEOUT', true, 'weldr'],
    [undefined, 'RESPONSE_TIMEOUT', true],
  ]);
  assert.equal(await of('/', [{ status: 200, cut: true }]), [
    [200, 'BODY_CUT', true, 'upstream'],
    [200, 'BODY_CUT', true],
  ]);
});

test('names spans by method and route, and never by what a client chose', async () => {
  const shop = routes([
    { name: 'item', path: '/items/:id', pool: 'default', rewrite: '/v2/items' } as never,
    { name: 'both', path: ['/a/*', '/b/*'], pool: 'default' },
  ]);
  const item = await run({}, { target: '/items/7', method: 'PUT' }, [shop]);
  assert.equal(
    [item.server?.name, item.server?.attributes['http.route'], item.server?.attributes['weldr.route']],
    ['PUT /items/:id', '/items/:id', 'item'],
  );
  const both = await run({}, { target: '/b/1', method: 'BREW' }, [shop]);
  assert.equal(
    [both.server?.name, both.server?.attributes['http.route'], both.server?.attributes['weldr.route']],
    ['HTTP', undefined, 'both'],
  );
  assert.equal(
    [both.server?.attributes['http.request.method'], both.server?.attributes['http.request.method_original']],
    ['_OTHER', 'BREW'],
  );
});

test('includes queries in spans only if configured, without secrets', async () => {
  const request = {
    target: '/a?page=2&token=abc',
    version: '2.0',
    host: '[::1]:8443',
    scheme: 'https',
  } as const;
  const { server, clients } = await run({ query: true, redact: ['page'] }, request);
  assert.is(server?.attributes['url.query'], 'page=***&token=***');
  assert.match(String(clients[0]?.attributes['url.full']), /\/a\?page=\*\*\*&token=\*\*\*$/);
  assert.equal([server?.attributes['server.address'], server?.attributes['server.port']], ['::1', 8443]);
  assert.is(server?.attributes['network.protocol.version'], '2');
});

test('records no requests that are only explained', async () => {
  const spans = receiver.spans.length;
  const side = await workerSide([roundRobin(), tracing({ exporter: { url: receiver.url } })], { upstreams });
  await side.explain();
  await side.close();
  assert.is(receiver.spans.length, spans);
});

test('may be listed twice: the first one that applies records a request, once', async () => {
  const { server, clients } = await run({}, {}, [
    { ...tracing({ sample: 1, exporter: { url: receiver.url } }), id: 'first' },
  ]);
  assert.is(clients.length, 1);
  assert.is(receiver.spans.filter(({ traceId: id }) => id === server?.traceId).length, 2);
});

test('drops and counts spans for which there is no room, and says so once a minute', async () => {
  receiver.status = 0;
  const plugin = tracing({ exporter: { url: receiver.url, queue: 16, timeout: '300ms' } });
  const side = await workerSide([roundRobin(), plugin], { upstreams });
  for (let n = 0; n < 100; n++) await side.run();
  const dropped = side.logs.filter(({ msg }) => /dropped/.test(msg));
  assert.is(dropped.length, 1);
  assert.match(dropped[0]?.msg ?? '', /2 spans were dropped: the receiver is too slow/);
  side.clock.advance(60_000);
  const said = side.logs.filter(({ msg }) => /dropped/.test(msg)).map(({ msg }) => msg);
  assert.is(said.length, 2);
  receiver.status = 200;
  const closing = side.close();
  side.clock.advance(1_000);
  await closing;
  assert.match(
    side.logs.at(-1)?.msg ?? '',
    /spans were dropped: the receiver did not accept them before the worker ended/,
  );
});

test('follows the variables of OpenTelemetry for options that are not set', async () => {
  const before = { ...process.env };
  const origin = new URL(receiver.url).origin;
  Object.assign(process.env, {
    OTEL_EXPORTER_OTLP_ENDPOINT: origin,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-key=abc',
    OTEL_SERVICE_NAME: 'edge',
    OTEL_RESOURCE_ATTRIBUTES: 'team=web,service.name=other',
    OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  });
  try {
    const once = async (options: TracingOptions): Promise<ReceivedSpan | undefined> => {
      const side = await workerSide([roundRobin(), tracing(options)], { upstreams });
      const { ctx } = await side.run();
      await side.close();
      return receiver.trace(ctx.traceContext?.traceId ?? '').server;
    };
    assert.is(await once({}), undefined);
    const span = await once({ sample: 1, resource: { zone: 'a' } });
    assert.equal(
      [span?.resource['service.name'], span?.resource['team'], span?.resource['zone']],
      ['edge', 'web', 'a'],
    );
    assert.is(receiver.heads.at(-1)?.['x-key'], 'abc');
    const named = await once({ sample: 1, serviceName: 'own', exporter: { headers: { 'X-Key': 'def' } } });
    assert.is(named?.resource['service.name'], 'own');
    assert.is(receiver.heads.at(-1)?.['x-key'], 'def');
    process.env['OTEL_SDK_DISABLED'] = 'true';
    assert.is(await once({ sample: 1 }), undefined);
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  }
});

test('names the packages to install, and the command', () => {
  const missing = (names: readonly string[]) => (name: string) => {
    if (names.includes(name)) throw new Error('not found');
  };
  const command =
    'npm install @opentelemetry/api@1 @opentelemetry/sdk-trace@3 @opentelemetry/resources@3 @opentelemetry/exporter-trace-otlp-proto@0';
  checkPackages();
  for (const [names, what] of [
    [['@opentelemetry/api'], 'a package that is not installed where Weldr is, @opentelemetry/api'],
    [
      ['@opentelemetry/api', '@opentelemetry/sdk-trace'],
      'packages that are not installed where Weldr is, @opentelemetry/api, @opentelemetry/sdk-trace',
    ],
  ] as const) {
    try {
      checkPackages(missing(names));
      assert.unreachable();
    } catch (thrown) {
      assert.is((thrown as Error).message, `tracing() needs ${what}: run ${command}`);
    }
  }
});

test('says what is wrong with its options', async () => {
  for (const [options, message] of [
    [{ sample: 2 }, /plugins\[0\]\.sample: /],
    [{ exporter: { url: 'collector:4317' } }, /plugins\[0\]\.exporter\.url: expected a URL such as/],
    [{ exporter: { url: 'http://me:secret@c:4318/v1/traces' } }, /put credentials into headers/],
    [{ exporter: { headers: { 'a b': 'c' } } }, /exporter\.headers/],
    [{ endpoint: 'http://c:4318' }, /there is no such option/],
  ] as const) {
    await workerSide(tracing(options as TracingOptions)).then(
      () => assert.unreachable(String(message)),
      thrown => assert.match(thrown.message, message),
    );
  }
});
