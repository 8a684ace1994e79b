// A reload from one address to another of the same port, which the system does not allow side by side.
import { once } from 'node:events';
import { createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { startWeldr } from '../support/weldr.ts';

const test = suite('a reload that changes the address of a port');

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('it has no port');
  return address.port;
}

test('says that this Weldr itself has the port, and changes nothing', async () => {
  const port = await freePort();
  const config = (host: string) => `export default { listen: '${host}:${port}', workers: 1, plugins: [] };`;
  const weldr = await startWeldr({ config: config('127.0.0.1') });
  try {
    weldr.writeConfig(config('0.0.0.0'));
    weldr.signal('SIGHUP');
    const { msg } = await weldr.logged(record => record.msg.startsWith('the reload changed nothing'));
    assert.is(
      msg,
      `the reload changed nothing: cannot listen on 0.0.0.0:${port}: this Weldr itself listens on 127.0.0.1:${port}, until the reload is done; restart it to go from one to the other`,
    );
    assert.is((await fetch(weldr.url)).status, 503);
  } finally {
    await weldr.stop();
  }
});
