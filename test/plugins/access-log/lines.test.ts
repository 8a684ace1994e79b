// The lines of the access log: the values of each format, and what is left out.
import * as assert from 'uvu/assert';
import { definePlugin } from '../../../core/plugin/define-plugin.ts';
import { Redaction } from '../../../core/request/redaction.ts';
import { reply } from '../../../core/request/reply.ts';
import { type RunOptions, workerSide } from '../../../core/testing.ts';
import type { AccessLogOptions } from '../../../plugins/access-log/index.ts';
import { Moments, msText } from '../../../plugins/access-log/time-text.ts';
import { accessLog, requestId, retry, roundRobin } from '../../../plugins/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('access-log lines');

const upstreams = ['http://a:1', 'http://b:1'];

const refuser = definePlugin({
  name: 'refuser',
  worker: ({ hooks }) =>
    void hooks.request.tap('refuser', ctx => {
      if (ctx.request.path === '/throw') throw new Error('oops');
      if (ctx.request.path !== '/refused') return undefined;
      ctx.note('because "so"\n');
      return reply(403);
    }),
})();

/** Runs requests and returns the lines. */
async function linesOf(options: AccessLogOptions, ...requests: RunOptions[]): Promise<readonly string[]> {
  const side = await workerSide([refuser, accessLog(options), roundRobin(), retry()], { upstreams });
  for (const request of requests) await side.run(request);
  side.clock.advance(100);
  const { lines } = side;
  await side.close();
  return lines;
}

async function recordOf(request: RunOptions, options: AccessLogOptions = {}) {
  const [line = ''] = await linesOf(options, request);
  return JSON.parse(line);
}

test('names the client, what it asked for, the outcome, and how long each phase took', async () => {
  const tls = {
    sni: 'shop.example',
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    alpn: 'h2',
    resumed: false,
    clientCertificate: undefined,
  };
  const record = await recordOf({
    method: 'PUT',
    target: '/a/b?x=1',
    host: 'shop.example',
    version: '2.0',
    scheme: 'https',
    listener: 'public',
    clientIp: '192.0.2.7',
    peerIp: '10.0.0.1',
    tls,
    headers: { 'User-Agent': 'curl/8', Authorization: 'Basic abc', Cookie: 'a=b' },
    answers: [{ status: 201, after: 12 }],
  });
  assert.equal(record, {
    time: '2025-01-01T00:00:00.000Z',
    client: '192.0.2.7',
    peer: '10.0.0.1',
    method: 'PUT',
    host: 'shop.example',
    path: '/a/b?x=1',
    protocol: 'HTTP/2.0',
    scheme: 'https',
    listener: 'public',
    tls: { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256' },
    pool: 'default',
    status: 201,
    by: 'upstream',
    bytesIn: 0,
    bytesOut: 0,
    outcome: 'complete',
    ms: { plugins: 0, queue: 0, connect: 0, firstByte: 12, total: 12 },
    attempts: [
      { upstream: 'http://a:1', status: 201, reused: false, queue: 0, connect: 0, firstByte: 12, total: 12 },
    ],
    request: { 'user-agent': 'curl/8' },
  });
});

test('names each attempt, and why it failed', async () => {
  const record = await recordOf({
    answers: [
      { error: 'UPSTREAM_RESET', reusedConnection: true, after: 5 },
      { status: 200, after: 3 },
    ],
  });
  assert.equal(
    [record.status, record.by, record.code, record.ms.firstByte, record.ms.total],
    [200, 'upstream', undefined, 8, 8],
  );
  const [failed, served] = record.attempts;
  assert.equal(
    [failed.upstream, failed.code, failed.reused, failed.total],
    ['http://a:1', 'UPSTREAM_RESET', true, 5],
  );
  assert.match(failed.error, 'closed the connection');
  assert.equal([served.upstream, served.status, served.firstByte], ['http://b:1', 200, 3]);
});

test('says what made the response: Weldr with which error, or which plugin', async () => {
  const timeout = await recordOf({ method: 'POST', answers: ['RESPONSE_TIMEOUT'] });
  assert.equal([timeout.status, timeout.by, timeout.code], [504, 'weldr', 'RESPONSE_TIMEOUT']);
  const refused = await recordOf({ target: '/refused' });
  assert.equal(
    [refused.status, refused.by, refused.plugin, refused.attempts, refused.notes],
    [403, 'plugin', 'refuser', [], ['because "so"\n']],
  );
  const failed = await recordOf({ target: '/throw' });
  assert.equal(
    [failed.status, failed.by, failed.code, failed.plugin],
    [500, 'weldr', 'PLUGIN_FAILED', 'refuser'],
  );
  assert.match(failed.error, 'oops');
  const left = await recordOf({ answers: ['CLIENT_CLOSED'] });
  assert.equal([left.status, left.by, left.code, left.outcome], [499, 'client', 'CLIENT_CLOSED', 'aborted']);
  const cut = await recordOf({ answers: [{ status: 200, cut: true }] });
  assert.equal([cut.status, cut.by, cut.code, cut.outcome], [200, 'upstream', 'BODY_CUT', 'aborted']);
});

test('has the id of the request, if a plugin gave it one', async () => {
  const side = await workerSide([accessLog(), requestId()], { upstreams });
  const { ctx } = await side.run();
  side.clock.advance(100);
  assert.is(JSON.parse(side.lines[0] ?? '').id, ctx.id);
  await side.close();
});

test('writes the formats of Apache and nginx', async () => {
  const headers = { Referer: 'http://u:p@r/?pwd=1', 'User-Agent': 'a "b" \xe9' };
  const request = { target: '/x?token=1', headers };
  const common = '192.0.2.1 - - [01/Jan/2025:00:00:00 +0000] "GET /x?token=*** HTTP/1.1" 200 0';
  assert.equal(await linesOf({ format: 'common' }, request), [common]);
  assert.equal(await linesOf({ format: 'combined' }, request, {}), [
    `${common} "http://***@r/?pwd=***" "a \\"b\\" \\xe9"`,
    '192.0.2.1 - - [01/Jan/2025:00:00:00 +0000] "GET / HTTP/1.1" 200 0 "-" "-"',
  ]);
});

test('writes a custom template', async () => {
  const format =
    '{time} {client} "{method} {path}" {status} {upstream} {tried} {attempts} {by} {code} {total} {request.x-a} {response.x-b} {id}';
  assert.equal(
    await linesOf(
      { format },
      {
        headers: { 'X-A': '1 "' },
        answers: ['CONNECT_FAILED', { status: 200, headers: { 'X-B': '2' }, after: 2 }],
      },
      { method: 'POST', answers: ['RESPONSE_TIMEOUT'] },
    ),
    [
      '2025-01-01T00:00:00.000Z 192.0.2.1 "GET /" 200 http://b:1 http://a:1,http://b:1 2 upstream - 2.000 1 \\" 2 -',
      '2025-01-01T00:00:00.002Z 192.0.2.1 "POST /" 504 http://a:1 http://a:1 1 weldr RESPONSE_TIMEOUT 0.000 - - -',
    ],
  );
});

test('escapes text that would end a value or a line, or control a terminal', async () => {
  const nasty = 'a"b\\c\x1b[31m\x85\x9b\xff';
  const note = definePlugin({
    name: 'noter',
    worker: ({ hooks }) =>
      void hooks.request.tap('noter', ctx => {
        ctx.note('line\r\nbreak\u2028\u202e\ud800');
        return undefined;
      }),
  })();
  for (const format of ['json', '{method} {host} {notes} {request.user-agent}', 'combined']) {
    const side = await workerSide([note, accessLog({ format })], { upstreams });
    await side.run({ host: 'h"\x85', method: 'M\n', headers: { 'User-Agent': nasty.replace('\x1b', '\t') } });
    side.clock.advance(100);
    assert.is(side.lines.length, 1);
    assert.not.match(side.lines[0] ?? '', /[\p{Cc}\u2028\u202e\ud800]/u);
    if (format === 'json') {
      const record = JSON.parse(side.lines[0] ?? '');
      assert.equal([record.method, record.host], ['M\n', 'h"\x85']);
      assert.is(record.request['user-agent'], nasty.replace('\x1b', '\t'));
    }
    await side.close();
  }
});

test('hides secrets in queries, however they are spelt', () => {
  const known = new Redaction(['My-Key']);
  for (const [url, shown] of [
    ['/', '/'],
    ['/?', '/?'],
    ['/a?b=c&d', '/a?b=c&d'],
    ['/a?token=x&b=c', '/a?token=***&b=c'],
    ['/a?b=c;PASSWORD=x;d', '/a?b=c;PASSWORD=***;d'],
    ['/a?acc%65ss_token=x', '/a?acc%65ss_token=***'],
    ['/a?user[password]=x&token[]=y', '/a?user[password]=***&token[]=***'],
    ['/a?my-key=x', '/a?my-key=***'],
    ['/a?token', '/a?token'],
    ['/a?token=', '/a?token=***'],
    ['/a?b=token=x', '/a?b=token=x'],
    ['/a?b=?&secret=x?y=z', '/a?b=?&secret=***'],
    [`/?${'a=1&'.repeat(300)}token=x`, `/?${'a=1&'.repeat(256)}***`],
  ] as const) {
    assert.is(known.of(url), shown);
  }
  assert.is(new Redaction('all').of('/a?b=c&d=e&f'), '/a?b=***&d=***&f');
  assert.is(new Redaction(false).of('/a?token=x'), '/a?token=x');
  assert.is(known.ofUrl('https://u:p@a/b@c?token=x'), 'https://***@a/b@c?token=***');
});

test('logs credentials only if they are named', async () => {
  const headers = { Authorization: 'Bearer t', Cookie: 'a=b' };
  assert.not.match((await linesOf({}, { headers })).join(), /Bearer|a=b/);
  const record = await recordOf(
    { headers },
    { headers: { request: ['Authorization'], response: ['Location'] } },
  );
  assert.equal(record.request, { authorization: 'Bearer t' });
});

test('bounds the text of clients', async () => {
  const [line = ''] = await linesOf(
    {},
    { target: `/${'x'.repeat(20_000)}`, headers: { 'User-Agent': 'y'.repeat(20_000) } },
  );
  assert.ok(line.length < 6_000);
});

test('logs the wanted kinds, and a share of the others', async () => {
  const requests: RunOptions[] = [
    {},
    { answers: [503] },
    { answers: [{ status: 200, after: 1500 }] },
    { answers: ['CONNECT_FAILED', 200] },
    { answers: [{ status: 200, cut: true }] },
    { answers: [404] },
  ];
  const logged = async (options: AccessLogOptions) =>
    (await linesOf({ format: '{status}{attempts}{outcome}', ...options }, ...requests)).length;
  assert.is(await logged({}), 6);
  assert.is(await logged({ when: { status: ['5xx', 404] } }), 2);
  assert.is(await logged({ when: { slower: '1s' } }), 1);
  assert.is(await logged({ when: { retried: true } }), 1);
  assert.is(await logged({ when: { failed: true } }), 1);
  assert.is(await logged({ when: { retried: true }, sample: 1 }), 6);
  assert.is(await logged({ sample: 0 }), 0);
  const many = await linesOf({ sample: 0.5 }, ...Array.from({ length: 400 }, () => ({})));
  assert.ok(many.length > 120 && many.length < 280);
});

test('logs no request that is only explained', async () => {
  assert.equal(await linesOf({}, { rehearsal: true }), []);
});

test('writes times to the microsecond, and never negative ones', () => {
  assert.equal([0, -1, 0.0004, 0.0006, 1, 1.5, 12.3456, 61_234.5678, Number.NaN].map(msText), [
    '0.000',
    '0.000',
    '0.000',
    '0.001',
    '1.000',
    '1.500',
    '12.346',
    '61234.568',
    '0.000',
  ]);
  const moments = new Moments();
  for (const ms of [0, 999, 1000, 1_767_225_599_999.7, 1_000]) {
    assert.is(moments.isoText(ms), new Date(ms).toISOString());
  }
  assert.is(moments.clfText(1_767_225_599_999), '31/Dec/2025:23:59:59 +0000');
});

test('refuses invalid options, and says why', async () => {
  for (const [options, message] of [
    [
      { format: 'jsn' },
      'plugins[0].format: expected json, combined, common or a text with names such as {status}, got "jsn"; did you mean json?',
    ],
    [{ format: '{stauts}' }, 'plugins[0].format: there is no {stauts}; did you mean {status}?'],
    [{ format: '{status}\n' }, 'plugins[0].format: a template must not have control characters'],
    [{ when: {} }, 'plugins[0].when: is empty: name a kind such as { status: ["5xx"] }'],
    [{ when: { status: ['6xx'] } }, 'plugins[0].when.status[0]: expected a status such as 404 or "5xx"'],
    [
      { headers: { request: ['a b'] } },
      'plugins[0].headers.request[0]: expected the name of a field such as "User-Agent"',
    ],
  ] as const) {
    await workerSide(accessLog(options as unknown as AccessLogOptions)).then(
      () => assert.unreachable(message),
      thrown => assert.is(thrown.message, message),
    );
  }
});
