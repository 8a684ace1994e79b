// The admin API for kinds that plugins own, without their plugin.
import * as assert from 'uvu/assert';
import { overviewOf } from '../../../core/state/overview.ts';
import { suite } from '../../support/suite.ts';
import { at, withApi } from './api.ts';

const test = suite('kinds of plugins');

test('without routes() the API says how to get routes, and stored ones have no effect', async () => {
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
