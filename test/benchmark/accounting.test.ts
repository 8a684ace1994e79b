// What the benchmark reads from /proc, on texts as Linux writes them and on this machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as assert from 'uvu/assert';
import {
  cpuTimeOf,
  memoryOf,
  parseCoreTicks,
  parsePss,
  parseSchedstat,
  processTree,
} from '../../benchmark/accounting.ts';
import { parseCoreList, planCores } from '../../benchmark/machine.ts';
import { suite } from '../support/suite.ts';

const test = suite('benchmark accounting');

test('a thread’s CPU time is the first number of its schedstat', () => {
  assert.is(parseSchedstat('13492063 820589 39\n'), 13_492_063);
});

test('a thread that has ended counts for nothing', () => {
  assert.is(parseSchedstat(''), 0);
});

test('memory is the proportional set size, and that of a process that has ended is nothing', () => {
  const text =
    '55d0c000-7ffe1000 ---p 00000000 00:00 0 [rollup]\nRss:   9316 kB\nPss:   4127 kB\nPss_Dirty: 2 kB\n';
  assert.is(parsePss(text), 4127 * 1024);
  assert.is(parsePss(''), 0);
});

test('a core that waits for disks is idle, and guests’ time counts once', () => {
  const text = 'cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 1 20 100 5 2 3 4 8 0\ncpu1 1 0 1 2 0 0 0 0 0 0\nintr 5\n';
  const cores = parseCoreTicks(text);
  assert.equal(cores.get(0), { idle: 105, total: 145 });
  assert.equal(cores.get(1), { idle: 2, total: 4 });
});

test('a process tree holds the children, and their CPU time and memory are counted', async () => {
  const child = spawn(
    'sh',
    ['-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 60 & echo ready; wait'],
    {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const pid = child.pid ?? 0;
  try {
    await once(child.stdout, 'data');
    const tree = processTree(pid);
    assert.is(tree[0], pid);
    assert.is(tree.length, 2);
    assert.ok(cpuTimeOf(tree) > 0);
    assert.ok(memoryOf(tree) > memoryOf([pid]));
  } finally {
    process.kill(-pid, 'SIGKILL');
    await once(child, 'exit');
  }
  assert.equal(processTree(pid), []);
});

test('a list of cores is read with its ranges', () => {
  assert.equal(parseCoreList('0-2,5\n'), [0, 1, 2, 5]);
  assert.equal(parseCoreList('3'), [3]);
});

test('the proxy has a core to itself', () => {
  assert.equal(planCores([0, 1]), { proxy: [0], origin: [1], client: [1] });
  assert.equal(planCores([4, 5, 6, 7]), { proxy: [4], origin: [6], client: [7] });
  assert.throws(() => planCores([0]), /two cores/);
});
