// Measures how the pool's size and the number of nodes load etcd: 10,000 servers in three real members of etcd, and up to
// 100 stores that follow them from this one process. `node benchmark/cluster/watch-fan-out.ts`.
import { join } from 'node:path';
import { pino } from 'pino';
import { serverKey, serverKindName } from '../../core/pool/server-kind.ts';
import type { Batch } from '../../core/state/row.ts';
import { systemClock } from '../../core/time/clock.ts';
import { EtcdClient } from '../../plugins/etcd/client.ts';
import { EtcdStore } from '../../plugins/etcd/etcd-store.ts';
import { ClusterKeys } from '../../plugins/etcd/keys.ts';
import { LocalCopy } from '../../plugins/etcd/local-copy.ts';
import { EtcdCluster } from '../../test/cluster/etcd-cluster.ts';
import { server, until } from '../../test/cluster/etcd-node.ts';

const log = pino({ level: 'silent' });
let copies = 0;

const cluster = await EtcdCluster.start({ size: 3 });
try {
  const first = await open();
  for (const [from, to] of [
    [0, 1000],
    [1000, 10_000],
  ] as const) {
    const began = performance.now();
    for (let i = from; i < to; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, k) => first.store.write(put(i + k))));
    }
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `${to - from} servers written by one node, 100 at a time: ${Math.round((to - from) / seconds)}/s`,
    );
    await snapshotTime(to);
  }
  const followers = [first];
  for (const count of [1, 10, 50, 100]) {
    while (followers.length < count) followers.push(await open());
    await spread(followers);
  }
  for (const { store, client } of followers) {
    await store.close();
    client.close();
  }
} finally {
  await cluster.close();
}

interface Follower {
  readonly store: EtcdStore;
  readonly client: EtcdClient;
  seen: string;
}

// A hundred nodes in one process would mostly write copies of their pools to disk.
async function open(): Promise<Follower> {
  const client = await EtcdClient.create({ hosts: cluster.hosts });
  const localCopy = new LocalCopy(
    join(cluster.directory, `copy-${copies++}.json`),
    log,
    systemClock,
    3_600_000,
  );
  const store = new EtcdStore({
    client,
    keys: new ClusterKeys('/weldr/'),
    localCopy,
    log,
    clock: systemClock,
    timeout: 10_000,
  });
  await store.load();
  const follower: Follower = { store, client, seen: '' };
  store.watch(({ changes }) => {
    for (const { row } of changes) if (row?.op === 'define') follower.seen = String(row.value?.['weight']);
  });
  await until('it follows', () => !store.stale);
  return follower;
}

function put(i: number, weight = 1): Batch {
  const definition = server(`http://10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:8080`, { weight });
  const mark = { by: 'the benchmark', at: Date.now() };
  const identity = { kind: serverKindName, key: serverKey('default', definition.url) };
  return {
    ...mark,
    changes: [{ ...identity, row: { ...identity, ...mark, op: 'define', value: definition } }],
  };
}

async function snapshotTime(servers: number): Promise<void> {
  const began = performance.now();
  const { store, client } = await open();
  console.log(`a node that starts reads ${servers} servers in ${Math.round(performance.now() - began)} ms`);
  await store.close();
  client.close();
}

/** Measures the time from a write to its arrival at all followers. */
async function spread(followers: readonly Follower[]): Promise<void> {
  const times: number[] = [];
  const [writer] = followers;
  for (let weight = 2; weight < 22; weight++) {
    const began = performance.now();
    await writer?.store.write(put(5000, weight));
    await until('all have it', () => followers.slice(1).every(({ seen }) => seen === String(weight)));
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const of = (share: number) => Math.round(times[Math.floor(times.length * share)] ?? 0);
  console.log(
    `a change is with all of ${followers.length} nodes after ${of(0.5)} ms (median), ${of(0.95)} ms (p95)`,
  );
}
