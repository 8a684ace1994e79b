// The compress plugin without its streams: what is compressed, with which coding, and the head of the response.
import * as assert from 'uvu/assert';
import { type RunOptions, type RunResult, workerSide } from '../../../core/testing.ts';
import { type Coding, CodingChoice, codingFor } from '../../../plugins/compress/coding.ts';
import { type CompressOptions, compress } from '../../../plugins/compress/index.ts';
import { MediaTypes } from '../../../plugins/compress/worth.ts';
import { retry } from '../../../plugins/retry/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';

const test = suite('compress');

const all: readonly Coding[] = ['zstd', 'br', 'gzip'];

async function run(
  fields: Record<string, string>,
  request: RunOptions & { readonly status?: number; readonly accepts?: string } = {},
  options: CompressOptions = {},
): Promise<RunResult> {
  const side = await workerSide([compress(options), roundRobin(), retry()], {
    upstreams: ['http://a:1', 'http://b:1'],
  });
  const { status = 200, accepts = 'gzip', ...rest } = request;
  const headers = { 'Accept-Encoding': accepts, ...(rest.headers as Record<string, string>) };
  return await side.run({ answers: [{ status, headers: fields }], ...rest, headers });
}

const encodingOf = async (...parameters: Parameters<typeof run>): Promise<string | undefined> =>
  (await run(...parameters)).headers.get('content-encoding');

const json = { 'Content-Type': 'application/json', ETag: '"v1"', 'Accept-Ranges': 'bytes' };

test('uses the coding that the client prefers, and the first of equal ones', () => {
  for (const [field, wanted] of [
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip, br', 'br'],
    ['br;q=0.5, gzip;q=0.8, zstd;q=0.1', 'gzip'],
    ['GZip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip;q=1.000', 'gzip'],
    ['gzip ; q=0.001', 'gzip'],
    ['deflate, *', 'gzip'],
    ['*;q=0.1, br;q=0.05', 'gzip'],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['identity;q=0, br', 'br'],
    [',, gzip ,', 'gzip'],
  ] as const) {
    assert.is(codingFor(field, all), wanted, field);
  }
  for (const field of [
    '',
    'identity',
    'deflate',
    'gzip;q=0',
    'gzip;q=0.000, *',
    'gzip;Q=0',
    '*;q=0',
    'gzip;q=0.5, identity',
    'gzip;q=2',
    'gzip;q=-1',
    'gzip;q=',
    'gzip;q=0.5;x=y',
    'gzip;level=9',
    'gzip;q=0, gzip',
    'gzipped, brr',
  ]) {
    assert.is(codingFor(field, all), undefined, field);
  }
  assert.is(codingFor('zstd, br', ['gzip']), undefined);
  assert.is(codingFor('*', ['zstd', 'br']), undefined);
  assert.is(codingFor('gzip, br', ['gzip', 'br']), 'gzip');
});

test('bounds what it remembers of Accept-Encoding', () => {
  const choice = new CodingChoice(all);
  for (let n = 0; n < 2000; n++) assert.is(choice.for(`gzip, x${n}`), 'gzip');
  assert.is(choice.for(`br${', x'.repeat(1000)}`), 'br');
  const kept: unknown = Reflect.get(choice, 'kept');
  assert.ok(kept instanceof Map && kept.size <= 256);
});

test('matches media types by name and by a part of it', () => {
  const types = new MediaTypes(['text/*', 'application/*+json', 'application/json']);
  for (const type of [
    'text/html',
    'TEXT/Plain; charset=utf-8',
    'application/ld+json',
    'application/json ;v=1',
  ])
    assert.ok(types.has(type), type);
  for (const type of [
    '',
    'image/png',
    'application/jsonx',
    'application/xjson',
    'x/text/html',
    'image/png;text/html',
  ])
    assert.not.ok(types.has(type), type);
});

test('sets Content-Encoding and Vary, and weakens the tag', async () => {
  const { headers } = await run({ ...json, Vary: 'Origin' });
  assert.equal(
    ['content-encoding', 'etag', 'accept-ranges'].map(name => headers.getAll(name)),
    [['gzip'], ['W/"v1"'], []],
  );
  assert.equal(headers.getAll('vary'), ['Origin', 'Accept-Encoding']);
  assert.is((await run({ ...json, ETag: 'W/"v2"' })).headers.get('etag'), 'W/"v2"');
});

test('sets Vary for clients that accept no coding, too', async () => {
  for (const request of [{ accepts: '' }, { accepts: 'identity' }]) {
    const { headers } = await run(json, request);
    assert.equal(
      ['content-encoding', 'etag', 'accept-ranges', 'vary'].map(name => headers.getAll(name)),
      [[], ['"v1"'], ['bytes'], ['Accept-Encoding']],
    );
  }
});

test('leaves alone responses that are encoded, partial, signed, of another type, or not to be changed', async () => {
  for (const fields of [
    { ...json, 'Content-Encoding': 'br' },
    { ...json, 'Content-Encoding': 'identity' },
    { ...json, 'Content-Range': 'bytes 0-1/2' },
    { ...json, 'Content-Digest': 'sha-256=:abc:' },
    { ...json, 'Repr-Digest': 'sha-256=:abc:' },
    { ...json, 'Cache-Control': 'public, No-Transform' },
    { 'Content-Type': 'image/png' },
    { 'Content-Type': 'application/grpc' },
    {},
  ] as Record<string, string>[]) {
    const { headers } = await run(fields);
    assert.equal(
      [headers.get('content-encoding'), headers.get('vary')],
      [fields['Content-Encoding'], undefined],
    );
  }
  for (const status of [204, 205, 206]) assert.is(await encodingOf(json, { status }), undefined);
  assert.is(await encodingOf(json, { headers: { 'Cache-Control': 'no-transform' } }), undefined);
  assert.is(await encodingOf({ ...json, 'Cache-Control': 'x-no-transformer' }), 'gzip');
});

test('compresses errors of servers, and not those of Weldr', async () => {
  assert.is(await encodingOf(json, { status: 404 }), 'gzip');
  const failed = await run(json, { answers: ['CONNECT_FAILED'] });
  assert.equal([failed.status, failed.headers.has('content-encoding')], [502, false]);
});

test('compresses the response of a retry once', async () => {
  const answers = ['CONNECT_FAILED', { status: 200, headers: json }] as const;
  const { headers } = await run(json, { answers });
  assert.equal([headers.getAll('content-encoding'), headers.getAll('vary')], [['gzip'], ['Accept-Encoding']]);
});

test('gives a 304 the tag and Vary of its 200', async () => {
  const of = async (tag: string) => {
    const { headers } = await run({ ETag: '"v1"' }, { status: 304, headers: { 'If-None-Match': tag } });
    return [headers.get('etag'), headers.get('vary'), headers.has('content-encoding')];
  };
  assert.equal(await of('W/"v1"'), ['W/"v1"', 'Accept-Encoding', false]);
  assert.equal(await of('"v0", W/"v1"'), ['W/"v1"', 'Accept-Encoding', false]);
  assert.equal(await of('"v1"'), ['"v1"', 'Accept-Encoding', false]);
});

test('refuses invalid options', async () => {
  for (const options of [
    { encodings: [] },
    { encodings: ['deflate'] },
    { types: ['text'] },
    { types: ['a/b|c'] },
    { minBytes: 'much' },
    { level: { gzip: 10 } },
    { streams: 0 },
  ]) {
    const thrown = await run(json, {}, options as CompressOptions).catch(error => error);
    assert.is(thrown.code, 'CONFIG_INVALID', JSON.stringify(options));
  }
});
