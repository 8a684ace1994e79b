// Surrender: describes how to end a leadership without etcd3, for a process that stands in for a manager: a transaction over the JSON
// gateway that each member of etcd has (etcd 3.4 and newer, POST /v3/kv/txn).
import type { Surrender } from '../../core/plugin/manager-hooks.ts';
import type { EtcdAccess } from './client.ts';
import type { ClusterKeys } from './keys.ts';

/** Returns the request that ends the leadership with this create revision and records that its leader has let go; otherwise it changes nothing. */
export function surrenderOf(
  { hosts, user, password, tls }: EtcdAccess,
  keys: ClusterKeys,
  nodeName: string,
  revision: number,
): Surrender {
  const key = base64(keys.leader);
  const last = JSON.stringify({ schema: 1, node: nodeName, released: true });
  const transaction = {
    compare: [{ key, target: 'CREATE', result: 'EQUAL', create_revision: String(revision) }],
    success: [
      { request_delete_range: { key } },
      { request_put: { key: base64(keys.lastLeader), value: base64(last) } },
    ],
  };
  return {
    origins: hosts,
    ...(tls !== undefined && {
      tls: {
        ca: tls.ca.toString(),
        cert: tls.cert?.toString(),
        key: tls.key?.toString(),
        servername: tls.servername,
      },
    }),
    ...(user !== undefined && {
      login: {
        path: '/v3/auth/authenticate',
        body: JSON.stringify({ name: user, password: password ?? '' }),
      },
    }),
    request: { path: '/v3/kv/txn', body: JSON.stringify(transaction) },
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
