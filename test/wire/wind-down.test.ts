// A worker's last moments with an address that moves to another machine: no request is lost, and other addresses stay.
import { once } from 'node:events';
import { connect } from 'node:tls';
import * as assert from 'uvu/assert';
import { listenerTls } from '../../core/certificates/listener-tls.ts';
import { readTls } from '../../core/certificates/tls-reading.ts';
import { makeCertificate } from '../support/authority.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { H2Client } from './support/h2-client.ts';
import { startProxy, type TestProxy } from './support/proxy.ts';
import { RawClient } from './support/raw-client.ts';
import { ok, type Script, ScriptedOrigin } from './support/scripted-origin.ts';
import { valuesOf } from './support/strict-message.ts';

const test = suite('winding down an address');
const get = (path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`;
/** The address that moves; clients of others use 127.0.0.1. */
const moving = '127.0.0.2';

interface Ends {
  readonly proxy: TestProxy;
  readonly origin: ScriptedOrigin;
}

async function between(
  use: (ends: Ends) => Promise<void>,
  script: Script = {},
  more: Parameters<typeof startProxy>[0] = {},
): Promise<void> {
  const origin = await ScriptedOrigin.start({ answer: () => ok('here'), ...script });
  const proxy = await startProxy({ upstreams: [origin.url], host: '0.0.0.0', http2: true, ...more });
  try {
    await use({ proxy, origin });
  } finally {
    proxy.close();
    await origin.close();
  }
}

test('the next response on a kept connection is its last, and connections to other addresses stay', async () => {
  await between(async ({ proxy }) => {
    const [client, other] = [await RawClient.open(proxy.port, moving), await RawClient.open(proxy.port)];
    for (const one of [client, other]) {
      one.send(get());
      await one.response();
    }
    const begun = proxy.listener.windDown('begin', [moving], 10_000);
    client.send(get());
    other.send(get());
    const [, last] = await client.responses('GET', 'GET');
    assert.equal(last && valuesOf(last, 'connection'), ['close']);
    await client.untilEnd();
    assert.is(client.failure, '');
    // Its client sends nothing more: there is nothing to wait for.
    await begun;
    await proxy.listener.windDown('finish', [moving], 10_000);
    const [, next] = await other.responses('GET', 'GET');
    assert.equal(next && valuesOf(next, 'connection'), []);
    assert.not.ok(other.ended);
    for (const one of [client, other]) one.close();
  });
});

test('a new connection gets one response, later ones are reset, and afterwards everything is as before', async () => {
  await between(async ({ proxy }) => {
    await proxy.listener.windDown('begin', [moving], 0);
    const client = await RawClient.open(proxy.port, moving);
    client.send(get());
    const response = await client.response();
    assert.equal(valuesOf(response, 'connection'), ['close']);
    await client.untilEnd();
    client.close();
    await proxy.listener.windDown('finish', [moving], 10_000);
    const late = await RawClient.open(proxy.port, moving);
    late.send(get());
    await until('the reset', () => late.ended);
    assert.is(late.failure, 'ECONNRESET');
    await proxy.listener.windDown('over', [moving], 0);
    const next = await RawClient.open(proxy.port, moving);
    next.send(get());
    assert.equal(valuesOf(await next.response(), 'connection'), []);
    next.close();
  });
});

test('a request in flight gets its response within the time, and is reset after it', async () => {
  const held: (() => void)[] = [];
  const script: Script = {
    answer({ connection, target }) {
      if (target === '/slow') held.push(() => connection.send(ok('at last')));
      return undefined;
    },
  };
  await between(async ({ proxy, origin }) => {
    const [slow, never] = [
      await RawClient.open(proxy.port, moving),
      await RawClient.open(proxy.port, moving),
    ];
    slow.send(get('/slow'));
    never.send(get('/never'));
    await until('both at the origin', () => origin.requests.length === 2);
    await proxy.listener.windDown('begin', [moving], 10_000);
    const finished = proxy.listener.windDown('finish', [moving], 300);
    for (const answer of held) answer();
    assert.is((await slow.response()).body, 'at last');
    await finished;
    await until('the reset', () => never.ended);
    assert.is(never.failure, 'ECONNRESET');
    assert.is(slow.failure, '');
    for (const one of [slow, never]) one.close();
  }, script);
});

test('an HTTP/2 client gets a GOAWAY that names its last stream, and responses to requests that it sent before', async () => {
  await between(async ({ proxy }) => {
    const client = await H2Client.open(proxy.port, [], moving);
    const fields = [
      [':method', 'GET'],
      [':scheme', 'http'],
      [':authority', 'a.test'],
      [':path', '/'],
    ] as const;
    await client.over(client.request(fields));
    const begun = proxy.listener.windDown('begin', [moving], 10_000);
    const late = await client.over(client.request(fields));
    assert.is(late.body, 'here');
    await begun;
    await until('the end', () => client.lastStream === 3);
    assert.is(client.goAway, 'NO_ERROR');
    client.socket.destroy();
    await proxy.listener.windDown('finish', [moving], 10_000);
    assert.is(proxy.listener.connections, 0);
  });
});

test('a connection over TLS is reset too', async () => {
  const certificate = makeCertificate({ names: ['a.test'] });
  const tls = readTls(listenerTls.parse({ certificates: [certificate] }), 'tls').material;
  await between(
    async ({ proxy, origin }) => {
      const socket = connect({ host: moving, port: proxy.port, servername: 'a.test', ca: certificate.cert });
      const failed = new Promise<NodeJS.ErrnoException>(resolve => socket.once('error', resolve));
      await once(socket, 'secureConnect');
      socket.write(get());
      await until('it at the origin', () => origin.requests.length === 1);
      await proxy.listener.windDown('over', [moving], 0);
      assert.is((await failed).code, 'ECONNRESET');
      assert.is(proxy.listener.connections, 0);
    },
    { answer: () => undefined },
    { tls, http2: false },
  );
});
