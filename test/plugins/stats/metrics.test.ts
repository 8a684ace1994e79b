// The text of GET /metrics: the totals, and what else there is after them.
import * as assert from 'uvu/assert';
import { certificateMetrics, metrics } from '../../../plugins/stats/metrics.ts';
import { Totals } from '../../../plugins/stats/totals.ts';
import { readExposition } from '../../support/exposition.ts';
import { suite } from '../../support/suite.ts';

const test = suite('stats as metrics');

const counter = (name: string, value: number) =>
  ({ name, type: 'counter', help: 'x', samples: [{ labels: {}, value }] }) as const;

test('other metrics come after the totals, and cannot take their names', () => {
  const totals = new Totals();
  totals.client.success = 3;
  const others = [counter('jwt_refused_total', 7), counter('weldr_client_requests_total', 99)];
  assert.equal(
    [...readExposition(metrics(totals, [], others)).values],
    [
      ['weldr_client_requests_total{outcome="success"}', 3],
      ['weldr_client_requests_total{outcome="failed"}', 0],
      ['jwt_refused_total', 7],
    ],
  );
});

test('certificates tell when they end, and where there are none nothing is told of any', () => {
  const info = {
    name: 'shop.test',
    names: ['shop.test'],
    issuer: 'shop.test',
    keyType: 'ec',
    fingerprint: 'AB',
    notBefore: 0,
    notAfter: 1_800_000_000_000,
    layer: 'api',
    defaultOf: [],
  } as const;
  const text = metrics(new Totals(), [], certificateMetrics([info]));
  const { values } = readExposition(text);
  assert.is(values.get('weldr_certificate_not_after_seconds{certificate="shop.test"}'), 1_800_000_000);
  assert.equal(certificateMetrics([]), []);
});
