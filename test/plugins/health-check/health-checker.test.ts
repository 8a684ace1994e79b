// health-check: when ten thousand servers are checked, and what happens to checks in progress.
import * as assert from 'uvu/assert';
import { PluginPools } from '../../../core/pool/manager-pools.ts';
import { collectingLogger } from '../../../core/testing/log-lines.ts';
import { FakeClock, managerSide } from '../../../core/testing.ts';
import { defaultSettings } from '../../../plugins/health-check/check-settings.ts';
import { type Check, HealthChecker } from '../../../plugins/health-check/health-checker.ts';
import { suite } from '../../support/suite.ts';

const test = suite('health checker');

/** A checker of `servers` by `check`, on a fake clock. */
async function checkerOf(servers: readonly string[], check: Check, jitter = 0.1, concurrency = 256) {
  const clock = new FakeClock();
  const { pools } = await managerSide({ name: 'none' }, { servers, clock });
  const log = collectingLogger([]);
  const ownPools = new PluginPools({ pools, instance: 'health-check', report: assert.unreachable });
  const checker = new HealthChecker(
    { pools: ownPools, clock, log, check, jitter, concurrency },
    defaultSettings,
  );
  pools.observe({ removed: upstream => checker.remove(upstream), defined: entry => checker.define(entry) });
  for (const entry of pools.list('default')) checker.define(entry);
  return { checker, clock, pools };
}

const many = (n: number): string[] => Array.from({ length: n }, (_, i) => `http://192.0.2.1:${i + 1}`);

test('ten thousand first checks are spread over the interval, and later ones stay spread', async () => {
  const perSecond: number[] = [];
  let checks = 0;
  const { checker, clock } = await checkerOf(many(10_000), async () => {
    checks++;
    return { passed: true, detail: '200' };
  });
  for (let second = 0; second < 90; second++) {
    const before = checks;
    await clock.advanceAsync(1000);
    perSecond.push(checks - before);
  }
  checker.close();
  const firstTen = perSecond.slice(0, 21).reduce((a, b) => a + b, 0);
  assert.ok(firstTen >= 10_000, `${firstTen} within 21 s`);
  assert.ok(Math.max(...perSecond) < 2500, `most in a second: ${Math.max(...perSecond)}`);
  assert.ok(
    Math.max(...perSecond.slice(60)) < 1500,
    `most in a later second: ${Math.max(...perSecond.slice(60))}`,
  );
});

test('no server waits longer than its interval for its next check', async () => {
  const times = new Map<string, number[]>();
  const { checker, clock } = await checkerOf(many(50), async upstream => {
    times.set(upstream.id, [...(times.get(upstream.id) ?? []), clock.monotonic()]);
    return { passed: true, detail: '200' };
  });
  await clock.advanceAsync(300_000);
  checker.close();
  const gaps = [...times.values()].flatMap(at => at.slice(1).map((t, i) => t - (at[i] ?? 0)));
  assert.ok(gaps.length > 400);
  assert.ok(Math.max(...gaps) <= 30_001, `${Math.max(...gaps)} ms`);
  assert.ok(Math.min(...gaps) >= 27_000, `${Math.min(...gaps)} ms`);
});

test('a check under way when its server is removed does not affect the server that replaces it', async () => {
  const ends: ((passed: boolean) => void)[] = [];
  const { checker, clock, pools } = await checkerOf(many(1), async () => {
    const passed = await new Promise<boolean>(resolve => ends.push(resolve));
    return { passed, detail: 'late' };
  });
  const [url = ''] = many(1);
  await clock.advanceAsync(1000);
  assert.is(ends.length, 1);
  await pools.remove('default', url, { force: true });
  await pools.add('default', { url, weight: 1, state: 'active' });
  ends[0]?.(false);
  await clock.advanceAsync(0);
  assert.is(pools.get('default', url)?.health, undefined);
  checker.close();
});

test('after close nothing is checked and no timer is left', async () => {
  let checks = 0;
  const { checker, clock } = await checkerOf(many(10), async () => {
    checks++;
    return { passed: true, detail: '200' };
  });
  await clock.advanceAsync(1000);
  checker.close();
  const before = checks;
  await clock.advanceAsync(100_000);
  assert.is(checks, before);
  assert.is(clock.pending, 0);
});
