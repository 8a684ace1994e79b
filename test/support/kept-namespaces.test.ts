// The namespaces of booted machines: nothing that runs in them outlives the test, whatever ends it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { KeptNamespaces, whyNoNamespaces } from './kept-namespaces.ts';
import { suite } from './suite.ts';

const test = suite('kept namespaces');

const missing = whyNoNamespaces();
const checked = (behaviour: string, body: () => Promise<void>): void =>
  missing === undefined ? test(behaviour, body) : test.skip(behaviour, missing, body);

/** Leaves something running as a booted machine does: in a PID namespace and session of its own, with nothing in its environment. */
const leave = (mark: string): string =>
  `setsid --fork unshare --pid --fork env -i /bin/sleep ${mark} > /dev/null 2>&1 < /dev/null`;

/** The processes with this mark; those that have ended have no command line. */
function running(mark: string): string[] {
  return readdirSync('/proc').filter(name => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(`sleep\0${mark}\0`);
    } catch {
      return false;
    }
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 20_000; !holds(); await sleep(20)) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
  }
}

checked('end all processes in them when their owner is killed', async () => {
  const mark = `7001${process.pid}`;
  const script = `
    import { KeptNamespaces } from ${JSON.stringify(import.meta.resolve('./kept-namespaces.ts'))};
    const kept = await KeptNamespaces.open();
    await kept.run('their network', ${JSON.stringify(leave(mark))});
    console.log('left');
  `;
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(owner, 'exit');
  try {
    const said = await Promise.race([once(owner.stdout, 'data'), ended]);
    assert.match(String(said[0]), 'left');
    await until('what was left', () => running(mark).length > 0);
  } finally {
    owner.kill('SIGKILL');
    await ended;
  }
  await until('the end of what was left', () => running(mark).length === 0);
});

checked('have a /proc of their own, and end all processes in them at the close', async () => {
  const mark = `7002${process.pid}`;
  const kept = await KeptNamespaces.open('ip link set lo up');
  try {
    assert.is(
      await kept.run('their network', 'readlink -e /proc/self > /dev/null && cat /proc/1/comm'),
      'sh\n',
    );
    assert.is(
      await kept.run('own network', 'readlink -e /proc/self > /dev/null && cat /proc/1/comm'),
      'sh\n',
    );
    await kept.run('their network', leave(mark));
    await until('what was left', () => running(mark).length > 0);
  } finally {
    await kept.close();
  }
  assert.equal(running(mark), []);
});

checked('are not opened when the script that prepares them fails', async () => {
  const thrown: unknown = await KeptNamespaces.open('exit 7').catch((error: unknown) => error);
  assert.match(String(thrown), 'the keeper of the namespaces ended with 7');
});
