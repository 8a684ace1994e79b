// Upgrades under load: of the leader in place, and of one node after another from an earlier version to this one.
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { KeptClient } from './kept-client.ts';
import type { Scenario, Stage } from './scenario.ts';
import { serviceAddress, servicePort } from './site.ts';
import { whyNoEarlierVersion } from './version-package.ts';
import type { WorldNode } from './world-node.ts';

/** How operators make a node run the installed version. */
const ways = ['weldr upgrade', 'systemctl restart'] as const;

/** Upgrades. */
export const upgradeScenarios: readonly Scenario[] = [
  {
    name: 'the active Weldr is upgraded in place (weldr upgrade)',
    seconds: 12,
    measures: true,
    async play(stage) {
      const { active, passive, watch } = stage.world;
      const troubles = await troublesOnKeptConnections(stage, async () => {
        await stage.gap('upgrade', async () => await upgraded(active, 'weldr upgrade'));
      });
      stage.check('no request on a kept connection is broken or refused', troubles.length === 0, troubles);
      stage.check('the other one holds the address', watch.holders.join() === passive.name, watch.holders);
      await stage.within(10_000, 'the upgraded one is in step', () => active.isInStep());
    },
  },
  ...ways.map(
    (way): Scenario => ({
      name: `one Weldr after another is upgraded from an earlier version (${way})`,
      seconds: 30,
      world: { version: 'earlier' },
      missing: whyNoEarlierVersion,
      async play(stage) {
        const { world } = stage;
        const { packages } = world;
        if (packages === undefined) throw new Error('there is no earlier version');
        // The previous scenario may have upgraded them.
        for (const node of world.nodes) {
          if (await runs(node, packages.versionOf('earlier'))) continue;
          await node.signal('SIGTERM');
          node.install(packages, 'earlier');
          node.start();
        }
        await world.settled();
        const began = Date.now();
        const { active, passive } = world;
        for (const node of [passive, active]) {
          node.install(packages, 'later');
          await stage.gap(node === active ? 'upgradeActive' : 'upgradePassive', async () => {
            await upgraded(node, way);
          });
          await until(`${node.name} is in step`, () => node.isInStep(), 20_000);
          const version = packages.versionOf('later');
          stage.check(`${node.name} runs the later version`, await runs(node, version), version);
          let wrong = '';
          await stage.within(
            15_000,
            `weldr cluster status of ${node.name} reports that all is well`,
            async () => {
              const { code, stdout } = await node.weldr('cluster', 'status');
              wrong = stdout.slice(stdout.indexOf('wrong:'));
              return code === 0;
            },
            () => wrong,
          );
        }
        const gap = stage.figures.at(-1)?.longestGap ?? 0;
        // The stopped node runs the earlier version, whose lease may be longer.
        stage.check('the gap is that of a planned stop', gap <= 500, `${gap} ms`);
        stage.check('the one that was upgraded first leads', world.active === passive, world.watch.holders);
        const damaged = world.nodes.flatMap(node => node.errorsSince(began).map(({ text }) => text));
        const keys = damaged.filter(text => text.includes('ignoring a key'));
        stage.check('no node finds a key of the other version damaged', keys.length === 0, keys);
      },
    }),
  ),
];

async function runs(node: WorldNode, version: string): Promise<boolean> {
  const { text } = await node.admin('GET', '/overview');
  return text.includes(`"version":"${version}"`);
}

async function upgraded(node: WorldNode, way: (typeof ways)[number]): Promise<void> {
  if (way === 'systemctl restart') {
    await node.signal('SIGTERM');
    return node.start();
  }
  const { code, stderr } = await node.upgrade();
  if (code !== 0) throw new Error(`weldr upgrade ends with ${code}: ${stderr.trim()}`);
}

/** Failures that a client with kept connections sees meanwhile and until it was answered for a while. */
async function troublesOnKeptConnections(stage: Stage, happen: () => Promise<void>): Promise<string[]> {
  const client = new KeptClient(stage.world.clientMachine, serviceAddress, servicePort);
  try {
    await until('it is answered', () => client.answersSince(0) > 200, 20_000);
    const from = Date.now();
    await happen();
    const after = Date.now();
    await until('it is answered again', () => client.answersSince(after) > 200, 20_000);
    await sleep(500);
    return client.troublesSince(from);
  } finally {
    client.close();
  }
}
