// `npm run bench:ring`: measures how changes of a large pool take effect in consistentHash: how long they block the event loop
// at once, and how long until all keys follow them.
import type { Upstream } from '../core/pool/pool.ts';
import { pool, upstreamRecord } from '../core/testing/pool.ts';
import { FollowedRing } from '../plugins/consistent-hash/followed-ring.ts';
import { formatMedian, sectionText } from './section.ts';
import { summarise } from './statistics.ts';

const servers = 10_000;
const rounds = 15;

const urlOf = (n: number): string => `http://10.${n >> 16}.${(n >> 8) & 255}.${n & 255}:8080`;
const ms = (time: number): string => `${time.toFixed(2)} ms`;

/** Returns the CPU time of this thread, ms, which excludes other processes. */
const cpuNow = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

/** The times of a change, ms. */
interface Change {
  /** The longest that it blocked the event loop. */
  readonly longest: number;
  readonly inForce: number;
}

const members = pool(Array.from({ length: servers }, (_, n) => urlOf(n)));
const ring = new FollowedRing(members, 1.25);
await ring.settled();

const rows: string[][] = [];
for (const count of [1, 10, 100, 1_000, servers]) {
  const changes: Change[] = [];
  for (let round = 0; round < rounds; round++) {
    changes.push(await change(count, 'down'), await change(count, 'active'));
  }
  const text = (pick: (change: Change) => number): string => formatMedian(summarise(changes.map(pick)), ms);
  rows.push([
    `${count} of ${servers} go down or come back`,
    text(({ longest }) => longest),
    text(({ inForce }) => inForce),
  ]);
}
ring.close();
console.log(
  sectionText({
    name: 'ring',
    title: `changes of a ring of ${servers} servers, Node ${process.versions.node}`,
    headings: ['', 'longest slice', 'CPU until active'],
    rows,
    notes: [],
    refusals: [],
  }),
);

async function change(count: number, state: Upstream['state']): Promise<Change> {
  const began = cpuNow();
  // The pool's handling of a message does not count as the ring's.
  let longest = 0;
  const own = globalThis.setImmediate;
  const timed = (run: () => void): NodeJS.Immediate =>
    own(() => {
      const start = performance.now();
      run();
      longest = Math.max(longest, performance.now() - start);
    });
  globalThis.setImmediate = Object.assign(timed, own);
  try {
    for (let n = 0; n < count; n++) members.set(upstreamRecord({ url: urlOf(n), state }));
    await ring.settled();
  } finally {
    globalThis.setImmediate = own;
  }
  return { longest, inForce: cpuNow() - began };
}
