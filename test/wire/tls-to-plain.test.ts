// A TLS client at a listener without TLS: the log says so, and the client gets a response that TLS libraries recognize.
import { once } from 'node:events';
import { connect } from 'node:tls';
import * as assert from 'uvu/assert';
import { helloOf } from '../support/client-hello.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { startProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';

const test = suite('TLS to a plain listener');

const said =
  'refused a request: the client speaks TLS, and this listener has no tls; give it tls in listen, or use http:// URLs';

for (const [name, http2] of [
  ['HTTP/1.1', false],
  ['HTTP/1.1 and HTTP/2', true],
] as const) {
  test(`is recognized in the log, and gets a response without TLS: ${name}`, async () => {
    const proxy = await startProxy({ http2 });
    try {
      const client = connect({ port: proxy.port, host: '127.0.0.1', rejectUnauthorized: false });
      const [error] = await once(client, 'error');
      // How OpenSSL reports a plain HTTP response.
      assert.match(String(error.code), /^ERR_SSL_/);
      await until('the log', () => proxy.log.some(({ msg }) => msg === said));
      const line = proxy.log.find(({ msg }) => msg === said);
      assert.equal(
        [line?.level, line?.['code'], line?.['client'], line?.['listener']],
        ['info', 'BAD_REQUEST', '127.0.0.1', ''],
      );

      const raw = await RawClient.open(proxy.port);
      raw.send(await helloOf({ servername: 'shop.test' }));
      assert.match(await raw.untilEnd(), /^HTTP\/1\.1 400 Bad Request\r\n/);
      raw.close();
      await until('the end of both', () => proxy.listener.connections === 0);
    } finally {
      proxy.close();
    }
  });
}

test('is not reported for other malformed requests', async () => {
  const proxy = await startProxy();
  try {
    const raw = await RawClient.open(proxy.port);
    raw.send('\x16GET / HTTP/1.1\r\n\r\n');
    await raw.untilEnd();
    raw.close();
    await until('the log', () =>
      proxy.log.some(({ msg }) => msg === 'refused a request: a malformed method'),
    );
  } finally {
    proxy.close();
  }
});
