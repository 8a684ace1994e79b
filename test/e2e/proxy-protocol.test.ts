// The PROXY protocol through two whole Weldrs: the config reaches the listeners and the connections to upstreams.
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import { ipFilter, roundRobin } from '../../plugins/index.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { startOrigin } from '../support/origin.ts';
import { lineV1 } from '../support/proxy-header.ts';
import { suite } from '../support/suite.ts';

const test = suite('PROXY protocol from end to end');

/** Sends one request and resolves with everything received. */
function answerOf(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let text = '';
    socket.setEncoding('utf8').on('data', piece => {
      text += piece;
    });
    socket.on('error', reject).on('close', () => resolve(text));
    socket.write(bytes);
  });
}

const get = 'GET /headers HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n';

test('a client in front of both is the client of the second, whose filters judge it', async () => {
  const origin = await startOrigin();
  const listen = { address: '127.0.0.1:0', proxyProtocol: { trusted: ['127.0.0.1'] } };
  const back = {
    listen,
    servers: [origin.url],
    plugins: [ipFilter({ deny: ['203.0.113.66'] }), roundRobin()],
  };
  try {
    await withWeldr(back, async ({ url, port }) => {
      const servers = [url];
      const front = {
        listen,
        pools: { default: { servers, proxyProtocol: 'v2' as const } },
        plugins: [roundRobin()],
      };
      await withWeldr(front, async weldr => {
        const answer = await answerOf(weldr.port, lineV1() + get);
        assert.match(answer, /^HTTP\/1\.1 200 /);
        assert.match(answer, '"x-forwarded-for":"203.0.113.9"');
        const denied = await answerOf(weldr.port, lineV1({ from: '203.0.113.66' }) + get);
        assert.match(denied, /^HTTP\/1\.1 403 /);
        assert.is(await answerOf(weldr.port, get), '');
      });
      assert.is(await answerOf(port, get), '');
    });
  } finally {
    await origin.close();
  }
});
