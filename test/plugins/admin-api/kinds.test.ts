// The admin API for what plugins own, without the plugin that owns it.
import * as assert from 'uvu/assert';
import { overviewOf } from '../../../core/state/overview.ts';
import { suite } from '../../support/suite.ts';
import { at, withApi } from './api.ts';

const test = suite('kinds of plugins');

test('without routes() the API says how routes come to be, and what is stored of them stays without effect', async () => {
  await withApi({}, async ({ side, call }) => {
    for (const [method, path] of [
      ['PUT', '/routes/x'],
      ['GET', '/routes'],
      ['POST', '/routes/test'],
    ] as const) {
      const { status, body } = await call(method, path, method === 'GET' ? undefined : {});
      assert.is(status, 404);
      assert.match(String(at(body, 'detail')), /add routes\(\[\]\) to its plugins/);
    }
    const value = { path: '/x', pool: 'blue' };
    const rows = [{ kind: 'route', key: 'x', op: 'define', value, by: 'me', at: 1 }];
    assert.is((await call('POST', '/pool/import', { rows })).status, 200);
    assert.equal(at((await call('GET', '/pool/export')).body, 'rows'), rows);
    assert.is(overviewOf(side.pools.state).waiting.length, 1);
  });
});
