// gRPC: which requests are gRPC, what a grpc-timeout says, and what errors and replies become.
import * as assert from 'uvu/assert';
import { type ErrorCode, WeldrError } from '../../../../core/errors.ts';
import { grpcFields } from '../../../../core/http/exchange/grpc-reply.ts';
import { grpcTimeout, isGrpcType } from '../../../../core/http/exchange/grpc-request.ts';
import { Pools } from '../../../../core/pool/pools.ts';
import { HeaderList } from '../../../../core/request/headers.ts';
import { type Reply, reply } from '../../../../core/request/reply.ts';
import { RequestState } from '../../../../core/request/request-state.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('gRPC');

test('a request is gRPC by its content type; a gRPC-Web request is not', () => {
  for (const type of [
    'application/grpc',
    'application/grpc+proto',
    'application/grpc;charset=utf-8',
    'Application/GRPC ; a=b',
  ]) {
    assert.ok(isGrpcType(type), type);
  }
  for (const type of [
    '',
    'application/grpc-web',
    'application/grpc-web+proto',
    'application/grpcx',
    'text/application/grpc',
  ]) {
    assert.not(isGrpcType(type), type);
  }
});

test('a grpc-timeout has up to eight digits and a unit; a malformed one is ignored', () => {
  const read: Readonly<Record<string, number>> = {
    '2H': 7_200_000,
    '3M': 180_000,
    '10S': 10_000,
    '500m': 500,
    '99999999m': 99_999_999,
    '0m': 0,
  };
  for (const [value, ms] of Object.entries(read)) assert.is(grpcTimeout(value), ms);
  assert.is(Math.round(grpcTimeout('1500u') ?? 0), 2);
  assert.is(Math.round(grpcTimeout('3000000n') ?? 0), 3);
  for (const value of [undefined, '', '5', 'S', '123456789S', '-1S', '1.5S', '1 S', '1s', '1Sm', ' 1S']) {
    assert.is(grpcTimeout(value), undefined, String(value));
  }
});

const pools = new Pools();
const stateOf = (answer: Reply, source: 'weldr' | 'plugin'): RequestState => {
  const state = new RequestState('POST', '/a.B/c', '2.0', new HeaderList(), pools.default, 0);
  state.replaceResponse(answer, source, undefined);
  return state;
};

function fieldsOf(state: RequestState): Record<string, string> | undefined {
  const fields = grpcFields(state, state.responseHeaders ?? new HeaderList());
  return fields && Object.fromEntries([...fields].map(([name, value]) => [name.toLowerCase(), value]));
}

test('each error has the status that tells clients whether to retry', () => {
  const statuses: Partial<Record<ErrorCode, number>> = {
    BAD_REQUEST: 13,
    BODY_TOO_LARGE: 8,
    HEADERS_TOO_LARGE: 8,
    TARGET_TOO_LONG: 8,
    REQUEST_TIMEOUT: 4,
    DEADLINE_EXCEEDED: 4,
    CLIENT_CLOSED: 1,
    CONNECT_FAILED: 14,
    // Nothing was sent, so another attempt is harmless.
    CONNECT_TIMEOUT: 14,
    TLS_FAILED: 14,
    UPSTREAM_RESET: 14,
    STREAM_REFUSED: 14,
    BAD_RESPONSE: 13,
    RESPONSE_TIMEOUT: 4,
    BODY_TIMEOUT: 4,
    BODY_CUT: 13,
    LOOP: 13,
    OWN_ADDRESS: 13,
    NO_UPSTREAM: 14,
    UPSTREAM_BUSY: 14,
    QUEUE_TIMEOUT: 14,
    OVERLOADED: 14,
    STOPPED: 14,
    PLUGIN_FAILED: 13,
    INTERNAL: 13,
  };
  for (const [code, expected] of Object.entries(statuses)) {
    const error = new WeldrError(code as ErrorCode);
    const state = stateOf(reply(error.status, `${error.status} ${error.title}\n`), 'weldr');
    state.error = error;
    assert.equal(
      fieldsOf(state),
      { 'content-type': 'application/grpc', 'grpc-status': String(expected), 'grpc-message': error.title },
      code,
    );
  }
});

test('a reply of a plugin has the gRPC status for its HTTP status, its text and its fields', () => {
  const cases: readonly (readonly [Reply, number, string])[] = [
    [reply(401, 'who are you?\n', { 'WWW-Authenticate': 'Bearer' }), 16, 'who are you?'],
    [reply(403, '403 not you\nreally\n'), 7, 'not you'],
    [reply(404), 12, 'HTTP status 404'],
    [reply(429, 'slow down', { 'Retry-After': '3' }), 14, 'slow down'],
    [reply(503, '<p>Back soon</p>', { 'Content-Type': 'text/html' }), 14, 'HTTP status 503'],
    [reply(504), 14, 'HTTP status 504'],
    [reply(308, '', { Location: 'https://shop.example/' }), 2, 'HTTP status 308'],
    [reply(200, new Uint8Array([1, 2])), 2, 'HTTP status 200'],
    [reply(418), 2, 'HTTP status 418'],
  ];
  for (const [answer, status, message] of cases) {
    const fields = fieldsOf(stateOf(answer, 'plugin')) ?? {};
    assert.equal([fields['grpc-status'], fields['grpc-message']], [String(status), message]);
    assert.is(fields['content-type'], 'application/grpc');
  }
  const [unknown, , , limited] = cases.map(([answer]) => fieldsOf(stateOf(answer, 'plugin')));
  assert.equal([unknown?.['www-authenticate'], limited?.['retry-after']], ['Bearer', '3']);
});

test('fields that describe a body that is not sent are left out', () => {
  const answer = reply(503, 'x', { 'Content-Encoding': 'gzip', 'Content-Language': 'en', 'X-Mine': 'yes' });
  const fields = fieldsOf(stateOf(answer, 'plugin')) ?? {};
  assert.equal(Object.keys(fields).sort(), ['content-type', 'grpc-message', 'grpc-status', 'x-mine']);
});

test('an error whose status a plugin has changed gets the gRPC status for the new one', () => {
  const state = stateOf(reply(504, '504 late\n'), 'weldr');
  state.error = new WeldrError('RESPONSE_TIMEOUT');
  state.status = 429;
  assert.is(fieldsOf(state)?.['grpc-status'], '14');
});

test('a gRPC reply stays as the plugin made it', () => {
  const answer = reply(200, '', { 'Content-Type': 'application/grpc+proto', 'Grpc-Status': '9' });
  assert.is(fieldsOf(stateOf(answer, 'plugin')), undefined);
});

test('a message is percent-encoded and bounded', () => {
  const said = (text: string) => fieldsOf(stateOf(reply(503, text), 'plugin'))?.['grpc-message'];
  assert.is(said('50 % off, “now”'), '50 %25 off, %E2%80%9Cnow%E2%80%9D');
  assert.is(said('a\tb'), 'a%09b');
  assert.is(said('x'.repeat(5000))?.length, 1000);
});
