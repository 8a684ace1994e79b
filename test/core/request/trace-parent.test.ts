// traceparent: which texts are one, and what it says.
import * as assert from 'uvu/assert';
import { parseTraceParent } from '../../../core/request/trace-parent.ts';
import { suite } from '../../support/suite.ts';

const test = suite('traceparent');

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${spanId}-01`;

test('has a trace, a span and a flag for recording', () => {
  assert.equal(parseTraceParent(traceparent), { traceId, spanId, sampled: true });
  assert.equal(parseTraceParent(`00-${traceId}-${spanId}-02`), { traceId, spanId, sampled: false });
  assert.equal(parseTraceParent(`01-${traceId}-${spanId}-03-more`), { traceId, spanId, sampled: true });
});

test('is nothing else', () => {
  for (const wrong of [
    '',
    `${traceparent}-more`,
    traceparent.toUpperCase(),
    `ff-${traceId}-${spanId}-01`,
    `00-${'0'.repeat(32)}-${spanId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId}-${spanId}`,
    `01-${traceId}-${spanId}-01-${'x'.repeat(300)}`,
  ]) {
    assert.is(parseTraceParent(wrong), undefined, wrong);
  }
});
