// A log file: appended to, reopened for logrotate, and harmless when its disk is full.
import { existsSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { startWeldr, type TestWeldr } from '../../support/weldr.ts';

const test = suite('log file', { timeoutMs: 240_000, testTimeoutMs: 60_000 });

/** Runs a Weldr that replies to requests itself and logs each in its worker. */
async function withLogFile(
  file: string,
  run: (weldr: TestWeldr, url: string) => Promise<void>,
): Promise<void> {
  const port = await freePort();
  const weldr = await startWeldr({
    noWait: true,
    config: `
      import { defineConfig, reply } from 'weldr';
      import { roundRobin } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:${port}', workers: 2, log: { file: ${JSON.stringify(file)} },
        plugins: [
          {
            name: 'talker',
            worker({ hooks, log }) {
              hooks.request.tap('talker', ctx => {
                log.info({ target: ctx.request.target }, 'asked');
                return reply(200, 'x');
              });
            },
          },
          roundRobin(),
        ],
      });`,
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(
      'it answers',
      () =>
        fetch(url).then(
          ({ ok }) => ok,
          () => false,
        ),
      20_000,
    );
    await run(weldr, url);
  } finally {
    await weldr.stop();
  }
}

/** The records in a file; each of its lines is whole. */
function linesOf(path: string): Record<string, unknown>[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line));
}

test('gets the lines of all processes, and is created again on SIGUSR1 after a rename', async () => {
  await withLogFile('weldr.log', async (weldr, url) => {
    const path = join(weldr.folder, 'weldr.log');
    const old = `${path}.1`;
    assert.is(weldr.logs.length, 0, 'none on stdout');
    assert.is(statSync(path).mode & 0o777, 0o640);
    const asked = (file: string): string[] =>
      linesOf(file)
        .filter(({ msg }) => msg === 'asked')
        .map(({ target }) => String(target))
        .filter(target => target !== '/');
    let sent = 0;
    const ask = async (): Promise<void> => void (await fetch(`${url}/${sent++}`));
    for (let n = 0; n < 50; n++) await ask();
    renameSync(path, old);
    for (let n = 0; n < 50; n++) await ask();
    await until('all lines in the renamed file', () => asked(old).length === 100);
    assert.not.ok(existsSync(path));
    weldr.signal('SIGUSR1');
    await until('the new file', () => existsSync(path));
    for (let n = 0; n < 50; n++) await ask();
    await until('the lines in the new file', () => asked(path).length === 50);
    assert.is(new Set([...asked(old), ...asked(path)]).size, 150, 'each line once');
  });
});

test('keeps its lines when another start opens it', async () => {
  await withLogFile('weldr.log', async weldr => {
    const path = join(weldr.folder, 'weldr.log');
    const before = readFileSync(path, 'utf8');
    weldr.signal('SIGUSR1');
    weldr.signal('SIGHUP');
    await until('more of it', () => readFileSync(path, 'utf8').length > before.length, 20_000);
    assert.ok(readFileSync(path, 'utf8').startsWith(before));
  });
});

test('a full disk stops nothing, and is reported once on stderr', async () => {
  await withLogFile('/dev/full', async (weldr, url) => {
    for (let n = 0; n < 50; n++) assert.ok((await fetch(url)).ok);
    await until('the report', () => weldr.output.includes('the log cannot be written'));
    for (let n = 0; n < 50; n++) assert.ok((await fetch(url)).ok);
    assert.is(weldr.output.split('the log cannot be written to /dev/full: ENOSPC').length, 2, weldr.output);
  });
});

test('that cannot be opened makes the start fail with code 78', async () => {
  const weldr = await startWeldr({
    noWait: true,
    config: `
      import { defineConfig } from 'weldr';
      import { roundRobin } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', log: { file: '/no/such/folder/weldr.log' }, plugins: [roundRobin()],
      });`,
  });
  await until('the end', () => weldr.output.includes('weldr:'), 20_000);
  assert.match(weldr.output, 'weldr: the log file /no/such/folder/weldr.log cannot be opened: ENOENT');
  assert.is(await weldr.stop(), 78);
});
