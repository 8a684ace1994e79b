// The timeout of a stage applies whatever else happens on its connection: the request body still arrives, and an
// upstream reads it.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, ScriptedOrigin } from './support/scripted-origin.ts';
import { statusOf } from './support/strict-message.ts';

const test = suite('the timeout of a stage');

const length = 300_000;
const endings: Readonly<Record<string, readonly [head: string, piece: string, end: string]>> = {
  'with a length': [`Content-Length: ${length}`, 'x'.repeat(length / 3), ''],
  'in chunks': ['Transfer-Encoding: chunked', `186A0\r\n${'x'.repeat(100_000)}\r\n`, '0\r\n\r\n'],
};

for (const [how, [head, piece, end]] of Object.entries(endings)) {
  for (const stage of ['judge', 'postProxy'] as const) {
    test(`in ${stage} applies while a request body ${how} is completed`, async () => {
      let reached = false;
      const origin = await ScriptedOrigin.start({
        answer: () => undefined,
        onBytes: connection => {
          if (connection.number === 0 && connection.raw.length < length / 2) connection.send(ok('early'));
        },
      });
      const proxy = await startProxy({
        upstreams: [origin.url],
        // If the test fails, a body that Weldr waits for ends it early, with another status.
        settings: { timeouts: { stage: '300ms', body: '20s' } },
        tap(hooks) {
          const never = (): Promise<undefined> => {
            reached = true;
            return new Promise(() => {});
          };
          if (stage === 'judge') hooks.judge.tapPromise('never', never);
          else hooks.postProxy.tapPromise('never', never);
        },
      });
      const client = await RawClient.open(proxy.port);
      client.send(`POST / HTTP/1.1\r\nHost: a.test\r\n${head}\r\n\r\n${piece}`);
      await until('the stage', () => reached);
      client.send(piece);
      client.send(piece + end);
      const response = await client.response('POST');
      assert.is(statusOf(response), 500);
      const { error } = proxy.finished[0] ?? {};
      assert.is(error?.message, `plugin never in ${stage}: took over 300 ms`);
      assert.is(proxy.pools.default.available[0]?.inFlight, 0);
      client.close();
      proxy.close();
      await origin.close();
    });
  }
}
