// The keys in etcd: whatever a server's id is made of, its key leads back to it.
import * as assert from 'uvu/assert';
import { serverDefinition } from '../../../core/pool/server-definition.ts';
import { parse } from '../../../core/settings/options.ts';
import { ClusterKeys, entryValue } from '../../../plugins/etcd/keys.ts';
import { suite } from '../../support/suite.ts';

const test = suite('etcd keys');

for (const url of ['http://127.0.0.1:1', 'https://[::1]:8443', 'unix:/run/my app/%2F.sock']) {
  test(`lead back to ${url}`, () => {
    const keys = new ClusterKeys('/weldr/');
    const server = parse(serverDefinition, { url });
    const entry = { pool: 'default', id: url, kind: 'added', server } as const;
    const key = keys.entry('default', url);
    assert.equal(keys.read(key, entryValue(entry)), { op: 'put', entry });
    assert.equal(keys.gone(key), { op: 'forget', pool: 'default', id: url });
  });
}
