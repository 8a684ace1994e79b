// The error table, and the errors made from it.
import * as assert from 'uvu/assert';
import { describeError, type ErrorCode, errorTable, toError, WeldrError } from '../../core/errors.ts';
import { suite } from '../support/suite.ts';

const table = suite('the error table');
const rows = Object.entries(errorTable);

table('has a 4xx status where the client or the operator is to blame, 5xx otherwise', () => {
  for (const [code, { blame, status }] of rows) {
    assert.ok(status >= 400 && status <= 599, code);
    if (blame === 'upstream' || blame === 'weldr') assert.ok(status >= 500, code);
  }
});

table('allows no retry of what the client caused', () => {
  for (const [code, row] of rows) if (row.blame === 'client') assert.is(row.retry, 'never', code);
});

table('allows a retry of any method only if no upstream has begun the request', () => {
  const safe = rows.filter(([, row]) => row.retry === 'safe').map(([code]) => code);
  assert.equal(safe.sort(), [
    'CONNECT_FAILED',
    'CONNECT_TIMEOUT',
    'OWN_ADDRESS',
    'QUEUE_TIMEOUT',
    'STREAM_REFUSED',
    'TLS_FAILED',
    'UPSTREAM_BUSY',
  ]);
});

table('uses the statuses that other proxies use', () => {
  const statuses: Partial<Record<ErrorCode, number>> = {
    BAD_REQUEST: 400,
    REQUEST_TIMEOUT: 408,
    BODY_TOO_LARGE: 413,
    TARGET_TOO_LONG: 414,
    HEADERS_TOO_LARGE: 431,
    CLIENT_CLOSED: 499,
    CONNECT_FAILED: 502,
    UPSTREAM_RESET: 502,
    BAD_RESPONSE: 502,
    NO_UPSTREAM: 503,
    CONNECT_TIMEOUT: 504,
    DEADLINE_EXCEEDED: 504,
    RESPONSE_TIMEOUT: 504,
    VERSION_UNSUPPORTED: 505,
  };
  for (const [code, status] of Object.entries(statuses))
    assert.is(errorTable[code as ErrorCode].status, status);
});

const errors = suite('WeldrError');

errors('takes status, blame, retry and title from the table', () => {
  const error = new WeldrError('CONNECT_FAILED', 'connect ECONNREFUSED 10.0.0.1:80');
  assert.equal([error.status, error.blame, error.retry], [502, 'upstream', 'safe']);
  assert.is(error.title, errorTable.CONNECT_FAILED.title);
  assert.is(error.message, 'connect ECONNREFUSED 10.0.0.1:80');
  assert.is(new WeldrError('CONNECT_FAILED').message, error.title);
});

errors('keeps the field and the cause', () => {
  const cause = new Error('why');
  const error = new WeldrError('INPUT_INVALID', 'bad', { cause, field: 'servers[1].weight' });
  assert.is(error.field, 'servers[1].weight');
  assert.is(error.cause, cause);
  assert.is('cause' in new WeldrError('INTERNAL'), false);
});

const describe = suite('describeError');

describe('joins an error and its causes', () => {
  const error = new Error('outer', { cause: new Error('inner', { cause: 'root' }) });
  assert.is(describeError(error), 'outer: inner: root');
});

describe('turns anything thrown into an Error', () => {
  assert.is(toError('text').message, 'text');
  assert.is(toError(undefined).message, 'undefined');
  const error = new Error('same');
  assert.is(toError(error), error);
});

describe('names every error of an AggregateError without a message, as from connecting to several addresses', () => {
  const refused = (address: string) => new Error(`connect ECONNREFUSED ${address}`);
  const error = new AggregateError([refused('::1:80'), refused('127.0.0.1:80')]);
  assert.is(describeError(error), 'connect ECONNREFUSED ::1:80; connect ECONNREFUSED 127.0.0.1:80');
});

describe('is not empty for an error without a message', () => {
  assert.is(describeError(new TypeError()), 'TypeError');
  assert.is(describeError(Object.assign(new Error(), { code: 'ECONNRESET' })), 'ECONNRESET');
});

describe('ends for an error that is its own cause', () => {
  const error = new Error('loop');
  error.cause = error;
  assert.match(describeError(error), /^loop(: loop)*$/);
});
