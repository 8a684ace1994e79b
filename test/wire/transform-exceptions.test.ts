// Plugins' streams that throw, or whose listeners do, when Node or Weldr calls them: no worker ends.
import * as assert from 'uvu/assert';
import type { BodyTransform } from '../../core/request/body-transform.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { RawClient } from './support/raw-client.ts';
import { between, get, onRequest, onResponse, pass, post, throws } from './support/transforming.ts';

const hostile = suite('a stream that throws when Weldr or Node calls it');

const overridden = ['write', 'end', 'pause', 'resume', 'destroy', 'isPaused', 'emit', 'on', 'pipe'] as const;
const listened = [
  'data',
  'end',
  'finish',
  'drain',
  'close',
  'prefinish',
  'pause',
  'resume',
  'pipe',
  'readable',
];

/** Streams that would pass their body on, each with one fault. */
const traps: readonly (readonly [how: string, make: BodyTransform])[] = [
  ...overridden.map(
    name =>
      [
        `in ${name}()`,
        () => Object.defineProperty(pass(), name, { value: throws, configurable: true }),
      ] as const,
  ),
  ...listened.map(name => [`in a listener of ${name}`, () => pass().on(name, throws)] as const),
  ['in _destroy()', () => Object.defineProperty(pass(), '_destroy', { value: throws, configurable: true })],
  ['in a getter', () => Object.defineProperty(pass(), 'readableEnded', { get: throws, configurable: true })],
  ['and cannot be guarded', () => Object.freeze(pass())],
  ['in an emit() that cannot be replaced', () => Object.defineProperty(pass(), 'emit', { value: throws })],
  [
    'by a value that is not an error',
    () => {
      const stream = pass();
      setImmediate(() => stream.emit('error', undefined));
      return stream;
    },
  ],
  [
    'by an error without a message',
    () => {
      const stream = pass();
      setImmediate(() => stream.emit('error', Object.create(null)));
      return stream;
    },
  ],
];

for (const [how, make] of traps) {
  for (const [where, on, request] of [
    ['request', onRequest, post('abc')],
    ['response', onResponse, get],
  ] as const) {
    for (const others of [[], [pass]]) {
      hostile(
        `${how}, of a ${where}, ${others.length === 0 ? 'alone' : 'between others'}, ends nothing else`,
        async () => {
          await between({ tap: on(...others, make, ...others) }, async ({ client, proxy }) => {
            client.send(request);
            await client.until('an end', () => client.ended || /\r\n\r\n./.test(client.text));
            const other = await RawClient.open(proxy.port);
            other.send('GET /other HTTP/1.1\r\nHost: a.test\r\n\r\n');
            assert.match((await other.response()).body, 'GET /other');
            other.close();
            client.reset();
          });
        },
      );
    }
  }
}

for (const event of ['finish', 'end', 'close']) {
  hostile(`in a listener of ${event} is logged, with the stage and where it was thrown`, async () => {
    for (const [on, request] of [
      [onRequest, post('abc')],
      [onResponse, get],
    ] as const) {
      await between({ tap: on(() => pass().on(event, throws)) }, async ({ client, proxy }) => {
        client.send(request);
        await until('the log line', () => proxy.log.some(({ stage }) => stage === 'transform'));
        const line = proxy.log.find(({ stage }) => stage === 'transform');
        assert.equal(
          [line?.level, line?.['plugin'], line?.msg],
          ['error', 'transformer', 'plugin transformer in transform: a body transform failed: on purpose'],
        );
        assert.match(String(line?.['stack']), 'transforming.ts');
      });
    }
  });
}
