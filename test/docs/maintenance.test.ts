// The example maintenance, in a real Weldr with workers, switched during requests.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { maintenance } from '../../docs/examples/maintenance.ts';
import { withWeldr } from '../support/embedded-weldr.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { makeFolder, startWeldr } from '../support/weldr.ts';

const test = suite('the example maintenance');
const example = readFileSync(new URL('../../docs/examples/maintenance.ts', import.meta.url), 'utf8');

test('is switched by a file, for all workers, and lets the allowed ones through', async () => {
  const origin = await startOrigin();
  const folder = makeFolder();
  const file = join(folder, 'closed');
  const weldr = await startWeldr({
    folder,
    files: { 'maintenance.ts': example },
    config: `
      import { defineConfig } from 'weldr';
      import { roundRobin } from 'weldr/plugins';
      import { maintenance } from './maintenance.ts';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 2, servers: ['${origin.url}'], forwarded: { trusted: ['127.0.0.1'] },
        plugins: [maintenance({ file: '${file}', allow: ['10.0.0.0/8'], retryAfter: '90s', interval: 20 }), roundRobin()],
      });`,
  });
  const ask = (client: string) =>
    fetch(weldr.url, { headers: { 'x-forwarded-for': client, connection: 'close' } });
  /** Resolves with whether 20 requests, enough for both workers, all get this status. */
  const allAre = async (status: number): Promise<boolean> => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask('192.0.2.1')));
    await Promise.all(answers.map(answer => answer.arrayBuffer()));
    return answers.every(answer => answer.status === status);
  };
  try {
    assert.ok(await allAre(200));
    writeFileSync(file, '');
    await until('it is closed', () => allAre(503));
    const closed = await ask('192.0.2.1');
    assert.equal(
      [
        closed.headers.get('retry-after'),
        closed.headers.get('cache-control'),
        closed.headers.get('content-type'),
      ],
      ['90', 'no-store', 'text/html; charset=utf-8'],
    );
    assert.match(await closed.text(), 'Back soon');
    assert.is((await ask('10.1.2.3')).status, 200);
    rmSync(file);
    await until('it is open', () => allAre(200));
  } finally {
    await weldr.stop();
    await origin.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('is closed from the first request on if the file exists, and refuses an invalid network', async () => {
  const folder = makeFolder();
  const file = join(folder, 'closed');
  writeFileSync(file, '');
  try {
    await withWeldr({ plugins: [maintenance({ file })] }, async ({ url }) => {
      assert.is((await fetch(url)).status, 503);
    });
    await withWeldr({ plugins: [maintenance({ file, allow: ['ten'] })] }, async () => {}).then(
      () => assert.unreachable('it started'),
      error => assert.match(String(error), /maintenance.*ten/s),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
