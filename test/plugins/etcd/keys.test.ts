// The keys in etcd: every server's id is recovered from its key.
import * as assert from 'uvu/assert';
import { parse } from '../../../core/options/options.ts';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import { serverKey } from '../../../core/pool/server-kind.ts';
import { ClusterKeys, rowValue } from '../../../plugins/etcd/keys.ts';
import { suite } from '../../support/suite.ts';

const test = suite('etcd keys');

for (const url of ['http://127.0.0.1:1', 'https://[::1]:8443', 'unix:/run/my app/%2F.sock']) {
  test(`lead back to ${url}`, () => {
    const keys = new ClusterKeys('/weldr/');
    const value = parse(serverDefinition, { url });
    const identity = { kind: 'server', key: serverKey('default', url) };
    const row = { ...identity, op: 'define', value, by: 'a test', at: 1 } as const;
    const key = keys.row(row.kind, row.key);
    assert.equal(keys.read(key, rowValue(row)), row);
    assert.equal(keys.identity(key), identity);
  });
}

test('keep the fields of a row that only a later version knows', () => {
  const keys = new ClusterKeys('/weldr/');
  const key = keys.row('route', 'shop');
  const text = '{"at":1,"by":"me","later":true,"op":"define","value":{"path":"/"}}';
  const row = keys.read(key, text);
  if (typeof row === 'string') throw new Error(row);
  assert.is(rowValue(row), text);
});
