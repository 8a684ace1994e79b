// The conformance kit for balancers: correct ones pass, and each wrong one fails the check named after its mistake.
import * as assert from 'uvu/assert';
import type { Plugin } from '../../../core/plugin/plugin.ts';
import { type BalancerCheckOptions, balancerChecks, testBalancer } from '../../../core/testing.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';
import {
  askingFirst,
  byCookie,
  decaying,
  ewma,
  fastestOf,
  ownCounts,
  plainRoundRobin,
  powerOfTwo,
  remembering,
  ring,
  warmingUp,
  weightedRandom,
} from './right-balancers.ts';
import { wrongInAttempts } from './wrong-balancers/attempts.ts';
import { wrongInChoices } from './wrong-balancers/choices.ts';
import { wrongInSeparation } from './wrong-balancers/separation.ts';
import { wrongInShares } from './wrong-balancers/shares.ts';

const right = suite('testBalancer passes');

const rightBalancers: readonly [string, Plugin, BalancerCheckOptions][] = [
  ['the built-in round robin', roundRobin(), {}],
  ['the built-in round robin with slow start', roundRobin({ slowStart: '30s' }), {}],
  ['a plain round robin', plainRoundRobin, { weights: false }],
  ['a weighted random choice', weightedRandom, { distribution: 0.1 }],
  ['the power of two choices', powerOfTwo, { distribution: 'none' }],
  ['two choices by separate counts', ownCounts, { distribution: 'none' }],
  ['two choices by latency', ewma, { distribution: 'none' }],
  ['averages that decay indefinitely', decaying, { distribution: 'none' }],
  ['two choices by averages that do not decay', fastestOf(2), { distribution: 'none' }],
  ['five choices by latency', fastestOf(5), { distribution: 'none' }],
  ['a memory of clients', remembering, { distribution: 'none' }],
  ['a home-made slow start', warmingUp, { distribution: 'none' }],
  ['a hash of the cookie', byCookie, { distribution: 'none' }],
  ['a ring', ring, { distribution: 'none' }],
  ['a ring that promises to be sticky', ring, { distribution: 'none', sticky: true }],
  ['a round robin that waits before it chooses', askingFirst, { weights: false }],
];

for (const [name, balancer, options] of rightBalancers) {
  right(name, async () => {
    await testBalancer(balancer, options);
  });
}

const wrongBalancers = [...wrongInChoices, ...wrongInShares, ...wrongInAttempts, ...wrongInSeparation];

const wrong = suite('testBalancer finds a balancer that');

for (const { mistake, balancer, options, check, message = /./ } of wrongBalancers) {
  wrong(mistake, async () => {
    const thrown = await failureOf(balancer, options);
    const begin = `${balancer.name}: ${check}: `;
    assert.ok(thrown.startsWith(begin), `expected ${JSON.stringify(begin)}, got ${JSON.stringify(thrown)}`);
    assert.match(thrown, message);
  });
}

const list = suite('balancerChecks');

list('lists checks of different names for a test runner', async () => {
  const checks = balancerChecks(plainRoundRobin, { weights: false });
  assert.is(new Set(checks.map(check => check.name)).size, checks.length);
  for (const check of checks) await check.run();
});

list('asks only for what a balancer promises', () => {
  const names = (options: BalancerCheckOptions) => balancerChecks(ring, options).map(({ name }) => name);
  const strict = names({});
  const loose = names({ distribution: 'none' });
  assert.ok(strict.includes('shares requests by weight'));
  assert.not.ok(loose.includes('shares requests by weight'));
  assert.not.ok(strict.includes('keeps a client at its upstream'));
  assert.ok(names({ sticky: true }).includes('keeps a client at its upstream'));
});

list('has no check that no wrong balancer fails', () => {
  const failed = new Set(wrongBalancers.map(({ check }) => check));
  const missing = balancerChecks(ring, { sticky: true })
    .map(({ name }) => name)
    .filter(name => !failed.has(name));
  assert.equal(missing, ['chooses nothing when no upstream is available']);
});

/** What testBalancer throws; empty when it passes. */
async function failureOf(balancer: Plugin, options: BalancerCheckOptions): Promise<string> {
  try {
    await testBalancer(balancer, options);
    return '';
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
