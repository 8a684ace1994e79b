// A node that is killed at any moment under writers loses nothing that it confirmed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { EtcdCluster } from '../../cluster/etcd-cluster.ts';
import { storeNode } from '../../cluster/etcd-node.ts';
import { randomOf } from '../../support/random.ts';
import { suite } from '../../support/suite.ts';
import { quickElections, testWithEtcd } from './etcd-tests.ts';

const test = suite('etcd kill', { timeoutMs: 900_000, testTimeoutMs: 890_000 });

const rounds = 200;
const random = randomOf(Date.now());
const behaviour = `what a node confirmed is stored after each of ${rounds} kills in the middle of writing`;

/** Lets a writer run from number `first` and kills it; resolves with the numbers that it confirmed. */
async function runAndKill(host: string, first: number, afterMs: number): Promise<number[]> {
  const script = join(import.meta.dirname, 'kill-writer.ts');
  const child = spawn(process.execPath, [script, host, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  const started = Promise.withResolvers<void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    started.resolve();
  });
  const closed = once(child, 'close');
  await Promise.race([started.promise, closed]);
  await sleep(afterMs);
  child.kill('SIGKILL');
  await closed;
  // A line that was cut off was not reported.
  return output.split('\n').slice(1, -1).map(Number);
}

async function run(): Promise<void> {
  const cluster = await EtcdCluster.start({ args: quickElections });
  try {
    const [host = ''] = cluster.hosts;
    const confirmed = new Map<number, number>();
    let next = 1;
    for (let round = 0; round < rounds; round++) {
      const numbers = await runAndKill(host, next, random(120));
      for (const n of numbers) confirmed.set(1 + (n % 50), Math.max(n, confirmed.get(1 + (n % 50)) ?? 0));
      next = Math.max(next, ...numbers) + 100;
      if (round % 20 < 19) continue;
      const { pools, close } = await storeNode({ hosts: cluster.hosts });
      for (const [server, n] of confirmed) {
        const kept = pools.get('default', `http://10.0.0.${server}`)?.server.labels?.['number'];
        assert.ok(Number(kept) >= n, `round ${round}: server ${server} has ${kept}, confirmed was ${n}`);
      }
      await close();
    }
    assert.ok(next > rounds * 100 + 1000, 'the writers wrote');
  } finally {
    await cluster.close();
  }
}

testWithEtcd(test, behaviour, run);
