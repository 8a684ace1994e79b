// ServerDefinition: what the config and the API may define for a server.
import * as assert from 'uvu/assert';
import type { WeldrError } from '../../../core/errors.ts';
import { parse } from '../../../core/options/options.ts';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import { suite } from '../../support/suite.ts';

const test = suite('a server definition');

test('needs only a URL', () => {
  assert.equal(parse(serverDefinition, { url: 'http://A:80/' }), {
    url: 'http://a',
    weight: 1,

    state: 'active',
  });
});

test('takes all of its settings', () => {
  const parsed = parse(serverDefinition, {
    url: 'https://a:1',
    weight: 7,
    host: 'upstream',
    state: 'disabled',
    ttl: '30s',
    tls: { servername: 'b', verify: false },
    healthCheck: {
      enabled: true,
      interval: '1s',
      timeout: '100ms',
      path: '/health?x=1',
      method: 'HEAD',
      headers: { 'X-A': 'b' },
      port: 8080,
      expect: [200, '2xx', '301-308'],
      failures: 1,
      passes: 1,
    },
  });
  assert.is(parsed.ttl, 30_000);
  assert.is(parsed.healthCheck?.interval, 1000);
});

const wrong: [field: string, rest: Record<string, unknown>][] = [
  ['url', { url: 'nonsense' }],
  ['url', { url: 5 }],
  ['url', { url: `http://${'a'.repeat(2100)}` }],
  ['weight', { weight: 0 }],
  ['weight', { weight: 1.5 }],
  ['weight', { weight: 1001 }],
  ['weight', { weight: '2' }],
  ['state', { state: 'down' }],
  ['ttl', { ttl: '10ms' }],
  ['colour', { colour: 'red' }],
  ['tls', { tls: { verify: false } }],
  ['tls.cipher', { url: 'https://a', tls: { cipher: 'x' } }],
  ['proxyProtocol', { proxyProtocol: 'v3' }],
  ['proxyProtocol', { proxyProtocol: 'v2', http2: true }],
  ['proxyProtocol', { url: 'h2c://a:1', proxyProtocol: 'v2' }],
  ['healthCheck.interval', { healthCheck: { interval: '1ms' } }],
  ['healthCheck.timeout', { healthCheck: { timeout: 0 } }],
  ['healthCheck.path', { healthCheck: { path: 'health' } }],
  ['healthCheck.path', { healthCheck: { path: '/a b' } }],
  ['healthCheck.path', { healthCheck: { path: '/a\r\nX: y' } }],
  ['healthCheck.method', { healthCheck: { method: 'DELETE' } }],
  ['healthCheck.headers.X', { healthCheck: { headers: { X: 'a\r\nb' } } }],
  ['healthCheck.port', { healthCheck: { port: 0 } }],
  ['healthCheck.expect', { healthCheck: { expect: [] } }],
  ['healthCheck.failures', { healthCheck: { failures: 0 } }],
  ['healthCheck.often', { healthCheck: { often: true } }],
];
for (const [field, rest] of wrong) {
  test(`refuses ${JSON.stringify(rest).slice(0, 60)} and names ${field}`, () => {
    let thrown: Partial<WeldrError> = {};
    try {
      parse(serverDefinition, { url: 'http://a:1', ...rest });
    } catch (error) {
      thrown = error as WeldrError;
    }
    assert.is(thrown.field, field);
  });
}

for (const expect of ['99', '600', '2XX', '200-', '20x', 99, 600]) {
  test(`refuses the expected status ${JSON.stringify(expect)}${typeof expect === 'string' ? ' as text' : ''}`, () => {
    const parseIt = () => parse(serverDefinition, { url: 'http://a:1', healthCheck: { expect: [expect] } });
    assert.throws(parseIt, /healthCheck\.expect\[0\]/);
  });
}
