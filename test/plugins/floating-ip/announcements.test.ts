// Announcements: when neighbours learn where the address is.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { announce } from '../../../plugins/floating-ip/announcement.ts';
import { Announcements } from '../../../plugins/floating-ip/announcements.ts';
import { suite } from '../../support/suite.ts';

const test = suite('announcements');

test('come at once, densely in the first minute, and then every ten seconds while the address is held', () => {
  const clock = new FakeClock();
  let count = 0;
  const announcements = new Announcements(
    () => count++,
    (ms, fn) => clock.after(ms, fn),
  );
  announcements.start();
  assert.is(count, 1);
  clock.advance(5000);
  assert.is(count, 7);
  clock.advance(55_000);
  assert.ok(count >= 30 && count <= 40, `${count} in the first minute`);
  const before = count;
  clock.advance(600_000);
  assert.is(count, before + 60);
  announcements.stop();
  clock.advance(60_000);
  assert.is(count, before + 60);
  assert.is(clock.pending, 0);
});

// No interface has this address, so an attempt to announce it fails.
const address = { ip: 'fd00:77::100', prefixLength: 64, family: 6, text: 'fd00:77::100/64' } as const;

test('an IPv6 address is not announced after a freeze of a second', async () => {
  assert.is.not(await announce(address, 'lo', true), undefined, 'it is tried at once');
  const folder = mkdtempSync(join(tmpdir(), 'weldr-late-'));
  const { PATH } = process.env;
  try {
    const real = execFileSync('which', ['perl'], { encoding: 'utf8' }).trim();
    const late = `#!/bin/sh\nsleep 1.2\nexec ${real} "$@"\n`;
    writeFileSync(join(folder, 'perl'), late, { mode: 0o755 });
    process.env['PATH'] = `${folder}:${PATH}`;
    assert.is(await announce(address, 'lo', true), undefined);
  } finally {
    process.env['PATH'] = PATH;
    rmSync(folder, { recursive: true });
  }
});
