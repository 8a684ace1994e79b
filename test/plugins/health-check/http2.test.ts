// health-check of servers that speak HTTP/2: checks use the protocol of requests.
import * as assert from 'uvu/assert';
import type { ServerInput } from '../../../core/pool/server-definition.ts';
import { managerSide } from '../../../core/testing.ts';
import { healthCheck } from '../../../plugins/health-check/index.ts';
import { certificate } from '../../support/certificate.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { H2Origin, type H2OriginOptions } from '../../wire/support/h2-origin.ts';

const test = suite('health-check by HTTP/2');

/** The result of the first check, and the protocol and authority that the origin sees. */
async function check(
  options: H2OriginOptions,
  server: (url: string) => ServerInput,
): Promise<{ detail: string; seen: unknown }> {
  let seen: unknown;
  const origin = await H2Origin.start((request, response) => {
    seen = [request.httpVersion, request.authority];
    response.end('up');
  }, options);
  const input = server(origin.url);
  const side = await managerSide(healthCheck({ timeout: '10m' }), { servers: [input] });
  const url = typeof input === 'string' ? input : input.url;
  try {
    side.clock.advance(1000);
    await until('the check', () => side.pools.get('default', url)?.health !== undefined);
    return { detail: side.pools.get('default', url)?.health?.detail ?? '', seen };
  } finally {
    await side.close();
    await origin.close();
  }
}

test('h2c:// is checked by HTTP/2 without TLS', async () => {
  const { detail, seen } = await check({}, url => url);
  assert.is(detail, '200');
  assert.match(JSON.stringify(seen), /^\["2\.0","127\.0\.0\.1:\d+"\]$/);
});

test('http2: true is checked by HTTP/2 without TLS', async () => {
  const { detail } = await check({}, url => ({ url: url.replace('h2c:', 'http:'), http2: true }));
  assert.is(detail, '200');
});

test('https:// is checked by HTTP/2 when the server speaks only that, or both', async () => {
  const tls = { ca: certificate };
  for (const offers of ['h2', 'both'] as const) {
    const { detail, seen } = await check({ tls: true, offers }, url => ({ url, tls }));
    assert.is(detail, '200');
    assert.match(JSON.stringify(seen), /^\["2\.0"/);
  }
});

test('https:// with http2: false is checked by HTTP/1.1', async () => {
  const tls = { ca: certificate };
  const { detail, seen } = await check({ tls: true, offers: 'both' }, url => ({ url, tls, http2: false }));
  assert.equal([detail, JSON.stringify(seen)?.slice(0, 6)], ['200', '["1.1"']);
});
