// Planned operations: stop, reload, hand over, restart all.
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import type { Scenario } from './scenario.ts';

/** Planned hand-overs, and operations without one. */
export const plannedScenarios: readonly Scenario[] = [
  {
    name: 'the active Weldr is stopped (SIGTERM)',
    seconds: 7,
    measures: true,
    short: true,
    async play(stage) {
      const { active } = stage.world;
      await stage.gap('stop', () => active.signal('SIGTERM'), 3000);
    },
  },
  {
    name: 'the active Weldr is reloaded (SIGHUP)',
    seconds: 9,
    measures: true,
    async play(stage) {
      const { active } = stage.world;
      const began = Date.now();
      await stage.gap('reload', () => active.signal('SIGHUP'), 5000);
      stage.check('a reload keeps the leadership', stage.world.watch.takings(began, Date.now()) === 0);
    },
  },
  {
    name: 'the active Weldr hands over by command (weldr cluster hand-over)',
    seconds: 8,
    measures: true,
    async play(stage) {
      const { active, passive, watch } = stage.world;
      await stage.gap('handOver', async () => {
        const { code, stderr } = await active.weldr('cluster', 'hand-over');
        if (code !== 0) throw new Error(`weldr cluster hand-over ends with ${code}: ${stderr.trim()}`);
      });
      stage.check('the other one holds the address', watch.holders.join() === passive.name, watch.holders);
    },
  },
  {
    name: 'the active Weldr hands over to another by name (--to), then back by POST /cluster/hand-over',
    seconds: 12,
    async play(stage) {
      const { active, passive, watch } = stage.world;
      const { code, stderr } = await active.weldr('cluster', 'hand-over', '--to', passive.name);
      stage.check('weldr cluster hand-over --to NAME succeeds', code === 0, stderr);
      await stage.within(
        3000,
        'the one that was named holds the address',
        () => watch.holders.join() === passive.name,
        () => watch.holders,
      );
      const { status, text } = await passive.admin('POST', '/cluster/hand-over', { to: active.name });
      stage.check('POST /cluster/hand-over succeeds', status >= 200 && status < 300, `${status} ${text}`);
      await stage.within(
        3000,
        'the first one holds it again',
        () => watch.holders.join() === active.name,
        () => watch.holders,
      );
      const unknown = await active.weldr('cluster', 'hand-over', '--to', 'unknown');
      const refused = unknown.code !== 0 && unknown.stderr.includes('no node "unknown"');
      stage.check('a name that no node has is refused', refused, unknown.stdout + unknown.stderr);
      stage.check('and nothing moves then', watch.holders.join() === active.name, watch.holders);
    },
  },
  {
    name: "the machine of the active Weldr and of etcd's leader is rebooted (both SIGTERM)",
    seconds: 10,
    sharedOnly: true,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      await world.leadEtcdFrom(active);
      const from = Date.now();
      const member = world.memberOf(active) ?? 0;
      await Promise.all([active.signal('SIGTERM'), world.etcd.signal(member, 'SIGTERM')]);
      await sleep(6000);
      const { longestGap } = world.client.report(from);
      stage.check('the gap is that of a planned stop', longestGap <= 500, `${longestGap} ms`);
    },
  },
  {
    name: 'all Weldrs are restarted one after another',
    seconds: 20,
    async play(stage) {
      const { world } = stage;
      const from = Date.now();
      for (const node of world.nodes) {
        await node.signal('SIGTERM');
        node.start();
        await until(`${node.name} is in step`, () => node.isInStep(), 20_000);
      }
      await sleep(2000);
      const { longestGap, broken } = world.client.report(from);
      stage.check('each gap is that of a planned stop', longestGap <= 280, `${longestGap} ms`);
      stage.check('no request is broken', broken === 0, broken);
    },
  },
];
