// A renewal that takes effect only after the previous time has run out.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { parseAddress } from '../../../plugins/floating-ip/address.ts';
import { AddressHolder } from '../../../plugins/floating-ip/address-holder.ts';
import { suite } from '../../support/suite.ts';

const test = suite('a late renewal');

const path = process.env['PATH'] ?? '';
let folder: string;
test.before(() => {
  // The real ones need an interface; here only how long they take matters.
  folder = mkdtempSync(join(tmpdir(), 'tools-'));
  for (const name of ['ip', 'arping'])
    writeFileSync(join(folder, name), '#!/bin/sh\nsleep 0.1\n', { mode: 0o755 });
  process.env['PATH'] = `${folder}${delimiter}${path}`;
});
test.after(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true });
});

test('whose time is over when it takes effect is reported as over at once', async () => {
  const clock = new FakeClock();
  const waits: number[] = [];
  const address = parseAddress('10.0.0.100/24');
  assert.ok(address);
  const holder = new AddressHolder({
    addresses: [address],
    interface: 'eth0',
    log: { info() {}, warn() {}, error() {} },
    clock: {
      monotonic: () => clock.monotonic(),
      after(ms, fn) {
        waits.push(ms);
        return clock.after(ms, fn);
      },
    },
  });
  const renewal = holder.hold(clock.monotonic() + 3090);
  await setImmediate();
  clock.advance(1010);
  await renewal;
  clock.advance(0);
  assert.not.ok(holder.holding);
  // Node warns of a timer in the past.
  assert.ok(
    waits.every(ms => ms >= 0),
    waits.join(),
  );
  await holder.release();
});

test('is reported even if the end of the previous time was reported while it was under way', async () => {
  const clock = new FakeClock();
  const log = { info() {}, warn() {}, error() {} };
  const address = parseAddress('10.0.0.100/24');
  assert.ok(address);
  const holder = new AddressHolder({
    addresses: [address],
    interface: 'eth0',
    log,
    clock,
  });
  const reports: boolean[] = [];
  holder.observer = { held: isHeld => void reports.push(isHeld), complaint() {} };
  await holder.hold(clock.monotonic() + 5000);
  assert.equal(reports, [true]);
  clock.advance(2990);
  const renewal = holder.hold(clock.monotonic() + 5000);
  await setImmediate();
  clock.advance(20);
  assert.equal(reports, [true, false]);
  await renewal;
  assert.equal(reports, [true, false, true]);
  await holder.release();
  assert.equal(reports, [true, false, true, false]);
});
