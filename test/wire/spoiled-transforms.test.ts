// A body transform that is invalid, fails or emits invalid chunks ends its request, and the worker continues.
import { Duplex, PassThrough, Transform } from 'node:stream';
import * as assert from 'uvu/assert';
import type { Plugin } from '../../core/plugin/plugin.ts';
import { firstAvailable, workerSide } from '../../core/testing.ts';
import { fail, hostile, opaque } from '../core/stages/foreign.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxyOf } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ScriptedOrigin } from './support/scripted-origin.ts';

const test = suite('a body transform', { testTimeoutMs: 3000 });

const post = 'POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello';
const served = '[POST / HTTP/1.1|hello]';

type Factory = () => unknown;

/** Emits something other than bytes for each chunk. */
const emitting =
  (make: () => unknown): Factory =>
  () =>
    new Transform({
      readableObjectMode: true,
      transform(_chunk, _encoding, done) {
        this.push(make());
        done();
      },
    });

const factories: (readonly [name: string, factory: Factory])[] = [
  ['that is undefined', () => undefined],
  ['that is null', () => null],
  ['that is a promise', async () => new PassThrough()],
  ['that has the prototype of a stream', () => Object.create(Duplex.prototype)],
  ['that throws when it is created', fail],
  ['that was already destroyed', () => new PassThrough().destroy()],
  ['that has already ended', () => new PassThrough().end()],
  [
    'that fails at the first chunk',
    () => new Transform({ transform: (_c, _e, done) => done(new Error('no')) }),
  ],
  ['that throws at the first chunk', () => new Transform({ transform: fail })],
  [
    'that fails at the end',
    () => new Transform({ transform: (_c, _e, done) => done(), flush: done => done(new Error('no')) }),
  ],
  ['that throws at the end', () => new Transform({ transform: (_c, _e, done) => done(), flush: fail })],
  ['that passes on a number', emitting(() => 5)],
  ['that passes on an object with a length', emitting(() => ({ length: 5 }))],
  ['that passes on an array', emitting(() => [1, 2])],
  ['that passes on a Proxy', emitting(() => hostile({}))],
  ['that never passes anything on', () => new Transform({ transform() {} })],
];
for (const [name, make] of opaque) {
  if (!name.includes('in the background')) factories.push([`which is ${name}`, make]);
}

for (const side of ['request', 'response'] as const) {
  for (const [name, factory] of factories) {
    test(`of a ${side} ${name} ends only its request`, async () => {
      const origin = await ScriptedOrigin.start();
      let spoils = true;
      const plugin: Plugin = {
        name: 'transforms',
        worker({ hooks }) {
          const stage = side === 'request' ? hooks.request : hooks.postProxy;
          stage.tap('transforms', ctx => {
            if (!spoils || ctx.error !== undefined) return undefined;
            if (side === 'request') ctx.transformRequest(factory as () => Duplex);
            else ctx.transformResponse(factory as () => Duplex);
            return undefined;
          });
        },
      };
      const worker = await workerSide([plugin, firstAvailable], { upstreams: [origin.url] });
      const proxy = await startProxyOf(worker, { timeouts: { stage: 200, response: 400, body: 400 } });
      const client = await RawClient.open(proxy.port);
      client.send(post);
      await until('the end of the request', () => proxy.finished.length === 1, 1500);
      assert.not.match(client.text, served);
      const status = proxy.finished[0]?.status ?? 0;
      assert.ok([200, 500, 502, 504].includes(status), `${status}`);
      // A response that has begun is cut, and never looks complete.
      if (status === 200) assert.is(proxy.finished[0]?.outcome, 'aborted');
      const line = proxy.log.find(({ code }) => code === 'PLUGIN_FAILED');
      assert.equal([line?.['plugin'], line?.['stage']], ['transforms', 'transform']);
      client.close();
      spoils = false;
      const next = await RawClient.open(proxy.port);
      next.send(post);
      assert.is((await next.response('POST')).body, served);
      next.close();
      await until('the end of all connections', () => proxy.listener.connections === 0);
      for (const { inFlight } of worker.pools.default) assert.is(inFlight, 0);
      proxy.close();
      await origin.close();
    });
  }
}
