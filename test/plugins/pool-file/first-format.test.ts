// pool-file: a file of the previous version is read as it was meant, and can be restored.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { managerSide } from '../../../core/testing.ts';
import { poolFile } from '../../../plugins/pool-file/index.ts';
import { suite } from '../../support/suite.ts';
import { idOf, inFolder } from './journal-fixture.ts';

const test = suite('pool-file, first format');

/** A file of that version: one server added, one of the config changed, one removed, one forgotten, a setting. */
const written = `["11cb8dde",{"format":"weldr-pool","version":1}]
["3b4d161e",{"op":"put","entry":{"pool":"default","id":"http://127.0.0.1:3","kind":"added","server":{"url":"http://127.0.0.1:3","weight":5,"mapHost":true,"state":"active"}}}]
["04659e5d",{"op":"put","entry":{"pool":"blue","id":"http://127.0.0.1:4","kind":"added","server":{"url":"http://127.0.0.1:4","weight":1,"mapHost":false,"state":"active"}}}]
["056dff13",{"op":"put","entry":{"pool":"default","id":"http://127.0.0.1:1","kind":"added","server":{"url":"http://127.0.0.1:1","weight":7,"mapHost":false,"state":"active"}}}]
["7dce6ff2",{"op":"put","entry":{"pool":"default","id":"http://127.0.0.1:2","kind":"removed"}}]
["bd3578b3",{"op":"put","entry":{"pool":"default","id":"http://127.0.0.1:9","kind":"added","server":{"url":"http://127.0.0.1:9","weight":1,"mapHost":false,"state":"active"}}}]
["a37fd6d2",{"op":"forget","pool":"default","id":"http://127.0.0.1:9"}]
["354cdd34",{"op":"setting","setting":{"name":"health-check","value":{"interval":1000}}}]
`;

test('its changes are active, and a copy of it is kept next to it', async () => {
  await inFolder(async folder => {
    const path = join(folder, 'pool.json');
    writeFileSync(path, written);
    const side = await managerSide(poolFile({ path }), { servers: [idOf(1), idOf(2)] });
    const shown = [...side.pools.list('default')].map(e => [e.upstream.id, e.upstream.weight, e.layer]);
    assert.equal(shown.sort(), [
      [idOf(1), 7, 'api'],
      [idOf(3), 5, 'api'],
    ]);
    assert.equal(
      [1, 3].map(port => side.pools.get('default', idOf(port))?.server.host),
      [undefined, 'upstream'],
    );
    assert.ok(side.pools.get('blue', idOf(4)));
    assert.equal(side.pools.state.row('setting', 'health-check')?.value, { interval: 1000 });
    await side.pools.remove('default', idOf(3));
    await side.close();
    assert.is(readFileSync(`${path}.v1`, 'utf8'), written, 'it is kept for a downgrade');
    assert.match(readFileSync(path, 'utf8'), '"version":2');
    assert.ok(side.logs.some(({ msg }) => msg.includes('to return to the earlier version')));
    const again = await managerSide(poolFile({ path }), { servers: [idOf(1), idOf(2)] });
    assert.equal(
      [...again.pools.list('default')].map(e => e.upstream.id),
      [idOf(1)],
    );
    await again.close();
  });
});
