// The port on which nodes ask each other, and settings that are refused.
import { connect } from 'node:net';
import * as assert from 'uvu/assert';
import { checkConfig } from '../../../core/config/config.ts';
import { Failsafe } from '../../../plugins/etcd/failsafe.ts';
import { PeerChannel } from '../../../plugins/etcd/peer-channel.ts';
import { etcd, roundRobin } from '../../../plugins/index.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';

const test = suite('peer channel');
const secret = 'a secret of some length';

async function listening(answerTo: (question: string) => string | undefined) {
  const port = await freePort();
  const channel = new PeerChannel(answerTo);
  assert.ok(await channel.listen('127.0.0.1', port));
  return { channel, port, address: `127.0.0.1:${port}` };
}

test('a question is answered, and a refused one gets no content', async () => {
  const { channel, address } = await listening(question => (question === 'known' ? 'yes' : undefined));
  assert.is(await channel.ask(address, 'known', 2000), 'yes');
  assert.is(await channel.ask(address, 'unknown', 2000), '');
  assert.is((await fetch(`http://${address}/`, { method: 'POST', body: 'known' })).status, 403);
  await channel.close();
});

test('a question that is too long is cut off, and never answered', async () => {
  const asked: string[] = [];
  const { channel, address } = await listening(question => {
    asked.push(question);
    return 'yes';
  });
  assert.is(await channel.ask(address, 'x'.repeat(100_000), 2000), undefined);
  assert.equal(asked, []);
  await channel.close();
});

test('a silent connection is cut off', async () => {
  const { channel, port } = await listening(() => 'yes');
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write('POST /failsafe HTTP/1.1\r\n');
  await new Promise(resolve => socket.once('close', resolve));
  await channel.close();
});

test('a question to a node that does not answer in time yields nothing', async () => {
  const { channel, address } = await listening(() => 'yes');
  await channel.close();
  const other = new PeerChannel(() => undefined);
  assert.is(await other.ask(address, 'known', 500), undefined);
  await other.close();
});

test('a port in use is not an error of the config, an address of another machine is', async () => {
  const { channel, port } = await listening(() => 'yes');
  const other = new PeerChannel(() => undefined);
  assert.not.ok(await other.listen('127.0.0.1', port));
  await other.close();
  await channel.close();
  let message = '';
  await Failsafe.expectPossible({ listen: '192.0.2.1:8690', secret }).catch((thrown: Error) => {
    message = thrown.message;
  });
  assert.match(message, /failsafe cannot listen on 192\.0\.2\.1/);
});

test('invalid settings are refused', () => {
  const refusal = (failsafe: { listen: string; secret: string }): string => {
    try {
      checkConfig({ listen: '127.0.0.1:0', plugins: [roundRobin(), etcd({ failsafe })] });
      return '';
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : String(thrown);
    }
  };
  assert.is(refusal({ listen: '10.0.0.1:8690', secret }), '');
  assert.is(refusal({ listen: '[fd00::1]:8690', secret }), '');
  assert.match(refusal({ listen: '10.0.0.1', secret }), /failsafe\.listen: expected HOST:PORT/);
  assert.match(refusal({ listen: '0.0.0.0:8690', secret }), /not all addresses/);
  assert.match(refusal({ listen: '10.0.0.1:8690', secret: 'short' }), /16 characters or more/);
});
