// Measures how the pool's size and the number of nodes load etcd: 10,000 servers in three real members of etcd, and up to
// 100 stores that follow them from this process. docs/cluster-guarantees.md has the figures.
//   node -C weldr-source test/cluster/watch-fan-out.ts
import { join } from 'node:path';
import { pino } from 'pino';
import { quantile } from '../../benchmark/report.ts';
import { serverKey, serverKindName } from '../../core/pool/server-kind.ts';
import type { Batch } from '../../core/state/row.ts';
import { systemClock } from '../../core/time/clock.ts';
import { EtcdClient } from '../../plugins/etcd/client.ts';
import { EtcdStore } from '../../plugins/etcd/etcd-store.ts';
import { ClusterKeys } from '../../plugins/etcd/keys.ts';
import { LocalCopy } from '../../plugins/etcd/local-copy.ts';
import { until } from '../support/until.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import { server } from './etcd-node.ts';

/** A store that follows the pool. */
interface Follower {
  readonly store: EtcdStore;
  /** The weight that was last read. */
  seen: unknown;
  close(): Promise<void>;
}

// A hundred nodes in one process would mostly write copies of their pools to disk.
const copyInterval = 3_600_000;
const atOnce = 100;
const changes = 20;
const log = pino({ level: 'silent' });
let copies = 0;

const cluster = await EtcdCluster.start({ size: 3 });
const followers: Follower[] = [];
try {
  const first = await follow();
  followers.push(first);
  await fill(first, 0, 1_000);
  await fill(first, 1_000, 10_000);
  for (const count of [1, 10, 50, 100]) {
    while (followers.length < count) followers.push(await follow());
    await spread(first);
  }
} finally {
  for (const follower of followers) await follower.close();
  await cluster.close();
}

async function follow(): Promise<Follower> {
  const client = await EtcdClient.create({ hosts: cluster.hosts });
  const path = join(cluster.directory, `copy-${copies++}.json`);
  const localCopy = new LocalCopy(path, log, systemClock, copyInterval);
  const keys = new ClusterKeys('/weldr/');
  const store = new EtcdStore({ client, keys, localCopy, log, clock: systemClock, timeout: 10_000 });
  const close = async (): Promise<void> => {
    await store.close();
    client.close();
  };
  const follower: Follower = { store, seen: undefined, close };
  await store.load();
  store.watch(({ changes }) => {
    for (const { row } of changes) if (row?.op === 'define') follower.seen = row.value?.['weight'];
  });
  await until('it follows', () => !store.stale);
  return follower;
}

/** Adds servers, and reads all of them into a new store. */
async function fill({ store }: Follower, from: number, to: number): Promise<void> {
  const began = performance.now();
  for (let i = from; i < to; i += atOnce) {
    await Promise.all(Array.from({ length: atOnce }, (_, k) => store.write(put(i + k, 1))));
  }
  const rate = ((to - from) / (performance.now() - began)) * 1000;
  console.log(`${to - from} servers written by one node, ${atOnce} at a time: ${Math.round(rate)}/s`);
  const opened = performance.now();
  const follower = await follow();
  console.log(`a node that starts reads ${to} servers in ${Math.round(performance.now() - opened)} ms`);
  await follower.close();
}

/** Measures the time from a write to its arrival at all followers. */
async function spread({ store }: Follower): Promise<void> {
  const times: number[] = [];
  for (let weight = 2; weight < changes + 2; weight++) {
    const began = performance.now();
    await store.write(put(5000, weight));
    await until('all have it', () => followers.slice(1).every(({ seen }) => seen === weight));
    times.push(performance.now() - began);
  }
  const of = (share: number) =>
    Math.round(
      quantile(
        times.toSorted((a, b) => a - b),
        share,
      ),
    );
  console.log(
    `a change is with all of ${followers.length} nodes after ${of(0.5)} ms (median), ${of(0.95)} ms (p95)`,
  );
}

function put(i: number, weight: number): Batch {
  const definition = server(`http://10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:8080`, { weight });
  const mark = { by: 'the benchmark', at: Date.now() };
  const identity = { kind: serverKindName, key: serverKey('default', definition.url) };
  return {
    ...mark,
    changes: [{ ...identity, row: { ...identity, ...mark, op: 'define', value: definition } }],
  };
}
