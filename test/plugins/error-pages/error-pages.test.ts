// The error-pages plugin: which errors get which page, and what is kept of them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { when } from '../../../core/plugin/when.ts';
import { reply } from '../../../core/request/reply.ts';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { bestType } from '../../../plugins/error-pages/accept.ts';
import { type ErrorPagesOptions, errorPages } from '../../../plugins/error-pages/index.ts';
import { headers } from '../../../plugins/headers/index.ts';
import { rateLimit } from '../../../plugins/rate-limit/index.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('error-pages');

const upstreams = ['http://a:1', 'http://b:1'];
const pages = {
  '5xx': { 'text/html': '<h1>{status}</h1>', 'application/problem+json': '{"status":{status}}' },
  '503': { 'text/html': '<h1>back soon</h1>' },
  '404': { 'text/plain': 'gone' },
} as const;

async function run(options: Partial<ErrorPagesOptions>, request: RunOptions = {}): Promise<RunResult> {
  const side = await workerSide([errorPages({ pages, ...options }), roundRobin(), retry()], { upstreams });
  return await side.run(request);
}

const shown = ({ status, headers: list, reply: made }: RunResult) => [
  status,
  list.get('content-type'),
  made?.body,
];
const accepting = (accept: string, request: RunOptions = {}): RunOptions => ({
  ...request,
  headers: { Accept: accept },
});
const timeout = { answers: ['RESPONSE_TIMEOUT'], method: 'POST' } as const;

test('gives an error of Weldr the page of its status, or else of its class', async () => {
  assert.equal(shown(await run({}, timeout)), [504, 'text/html; charset=utf-8', '<h1>504</h1>']);
  const empty = await workerSide([errorPages({ pages }), roundRobin()]);
  const none = await empty.run();
  assert.equal(shown(none), [503, 'text/html; charset=utf-8', '<h1>back soon</h1>']);
  assert.equal([none.headers.get('retry-after'), none.headers.getAll('vary')], ['5', []]);
});

test('follows Accept, and leaves the error where no page is acceptable', async () => {
  for (const [accept, type] of [
    ['application/json', 'application/problem+json'],
    ['text/html;q=0.5, application/*', 'application/problem+json'],
    ['text/html, application/json', 'text/html; charset=utf-8'],
    ['*/*', 'text/html; charset=utf-8'],
    ['image/png', 'text/plain; charset=utf-8'],
    ['text/html;q=0', 'text/plain; charset=utf-8'],
  ] as const) {
    const { headers: list } = await run({}, accepting(accept, timeout));
    assert.equal([list.get('content-type'), list.get('vary')], [type, 'Accept'], accept);
  }
});

test('chooses by weight, then by how close it is named, then by order', () => {
  const types = ['text/html', 'application/problem+json', 'text/plain'];
  for (const [field, at] of [
    ['', 0],
    ['text/plain', 2],
    ['text/*;q=0.5, text/plain', 2],
    ['text/*, text/html;q=0.1', 2],
    ['*/*;q=0.1, application/problem+json;q=0.2', 1],
    ['TEXT/HTML;Q=0.3, application/json;q=0.4', 1],
    ['text/html;level=1;q=0.1, text/plain;q=0.2', 2],
    ['text/html;q=5', -1],
    ['text', -1],
    [',,', -1],
  ] as const) {
    assert.is(bestType(field, types), at, field);
  }
});

test('leaves responses of servers by default, and always those that are not errors', async () => {
  const answers = [
    { status: 404, headers: { 'Content-Type': 'text/html', ETag: '"x"', 'Set-Cookie': 'a=b' } },
  ];
  assert.equal(shown(await run({}, { answers })), [404, 'text/html', undefined]);
  const replaced = await run({ ofServers: true }, { answers });
  assert.equal(shown(replaced), [404, 'text/plain; charset=utf-8', 'gone']);
  assert.equal([replaced.headers.has('etag'), replaced.headers.get('set-cookie')], [false, 'a=b']);
  for (const status of [200, 304, 403]) {
    assert.is((await run({ ofServers: true }, { answers: [status] })).reply, undefined);
  }
});

test('replaces the outcome that was kept after a retry', async () => {
  const ok = await run({ ofServers: true }, { answers: ['CONNECT_FAILED', 200] });
  assert.equal([ok.status, ok.reply], [200, undefined]);
  const failed = await run({ ofServers: true }, { answers: ['CONNECT_FAILED', 502] });
  assert.equal(shown(failed), [502, 'text/html; charset=utf-8', '<h1>502</h1>']);
});

test('keeps the fields of a refusal, and those of plugins before and after it', async () => {
  const side = await workerSide(
    [
      headers({ response: { set: { 'X-Before': '1' } } }),
      errorPages({ pages: { '429': { 'text/html': 'slower' } } }),
      headers({ response: { set: { 'X-Behind': '1' } } }),
      rateLimit({ rate: 0.1, burst: 1 }),
      roundRobin(),
    ].map((plugin, n) => ({ ...plugin, id: String(n) })),
    { upstreams },
  );
  await side.run();
  const refused = await side.run();
  assert.equal(shown(refused), [429, 'text/html; charset=utf-8', 'slower']);
  assert.equal(
    ['retry-after', 'x-before', 'x-behind'].map(name => refused.headers.get(name)),
    ['10', '1', '1'],
  );
});

test('drops only the fields about the old body', async () => {
  const old = reply(503, 'old', [
    ['Content-Encoding', 'br'],
    ['Content-Digest', 'x'],
    ['Content-Security-Policy', "default-src 'self'"],
    ['Last-Modified', 'x'],
    ['X-A', '1'],
  ]);
  const plugin = {
    name: 'old',
    worker: ({ hooks }: Parameters<NonNullable<ReturnType<typeof retry>['worker']>>[0]) =>
      void hooks.request.tap('old', () => old),
  };
  const side = await workerSide([errorPages({ pages }), plugin], { upstreams });
  assert.equal(
    [...(await side.run()).headers],
    [
      ['Content-Security-Policy', "default-src 'self'"],
      ['X-A', '1'],
      ['Content-Type', 'text/html; charset=utf-8'],
    ],
  );
});

test('leaves responses to gRPC clients', async () => {
  for (const [type, isPage] of [
    ['application/grpc', false],
    ['application/grpc+proto', false],
    ['application/grpc-web', true],
    ['application/json', true],
  ] as const) {
    const { reply: made } = await run({}, { ...timeout, headers: { 'Content-Type': type } });
    assert.is(made?.body === '<h1>504</h1>', isPage, type);
  }
});

test('applies only to the requests of its when', async () => {
  const side = await workerSide([when({ path: '/a' }, errorPages({ pages })), roundRobin()], { upstreams });
  assert.is((await side.run({ ...timeout, target: '/%61' })).reply?.body, '<h1>504</h1>');
  assert.match(String((await side.run({ ...timeout, target: '/b' })).reply?.body), '504 ');
});

test('prefers the page of the inner scope, and in one list that of the first', async () => {
  const outer = errorPages({ pages: { '5xx': { 'text/html': 'outer' } }, ofServers: true });
  const inner = errorPages({ pages: { '504': { 'text/html': 'inner' } }, ofServers: true });
  for (const plugins of [
    [outer, when({ path: '/a' }, inner)],
    [when({ path: '/a' }, inner), outer],
  ]) {
    const side = await workerSide([...plugins, roundRobin()], { upstreams });
    for (const answer of ['RESPONSE_TIMEOUT', 504, 502] as const) {
      const wanted = answer === 502 || plugins[0] === outer ? 'outer' : 'inner';
      assert.is((await side.run({ target: '/a', answers: [answer] })).reply?.body, wanted, `${answer}`);
    }
  }
  const side = await workerSide([outer, roundRobin()], { upstreams, pools: { default: [inner] } });
  assert.is((await side.run(timeout)).reply?.body, 'inner');
  assert.is((await side.run({ answers: [504] })).reply?.body, 'inner');
});

test('reads files, and refuses unreadable files and invalid options', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-error-pages-'));
  const file = join(folder, 'page.html');
  try {
    writeFileSync(file, '<h1>from a file</h1>\n');
    const result = await run({ pages: { '5xx': { 'text/html; charset=latin1': { file } } } }, timeout);
    assert.equal(shown(result), [504, 'text/html; charset=latin1', '<h1>from a file</h1>\n']);
    writeFileSync(file, 'x'.repeat(300_000));
    for (const [given, problem] of [
      [{ '5xx': { 'text/html': { file } } }, /larger than 262144 bytes/],
      [{ '5xx': { 'text/html': { file: '/does/not/exist' } } }, /cannot be read/],
      [{ '5xx': {} }, /add a media type/],
      [{}, /add a status/],
      [{ '200': { 'text/html': 'x' } }, /not a status such as/],
      [{ '5x': { 'text/html': 'x' } }, /not a status such as/],
      [{ '5xx': { html: 'x' } }, /not a media type/],
      [{ '5xx': { 'text/html\r\nX: y': 'x' } }, /not a media type/],
    ] as const) {
      const thrown = await run({ pages: given as ErrorPagesOptions['pages'] }).catch(error => error);
      assert.is(thrown.code, 'CONFIG_INVALID');
      assert.match(thrown.message, problem);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
