// Faults of the network's other hosts: one with the same address, a client that missed the move.
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { EndlessClient } from './endless-client.ts';
import type { LabMachine } from './lab-machine.ts';
import { checkReported, type Scenario } from './scenario.ts';
import { serviceAddress, servicePort } from './site.ts';

/** Like a router: keeps what it has learnt about its neighbours for an hour, unless they announce something else. */
function keepNeighbours(machine: LabMachine): void {
  for (const name of ['base_reachable_time_ms', 'gc_stale_time']) {
    const value = name === 'gc_stale_time' ? '3600' : '3600000';
    machine.run('sysctl', ['-q', '-w', `net.ipv4.neigh.eth0.${name}=${value}`]);
  }
}

/** Faults of the network. */
export const networkScenarios: readonly Scenario[] = [
  {
    name: 'a client whose network is away for 8 s while the address moves is answered again',
    seconds: 36,
    async play(stage) {
      const { world } = stage;
      const machine = world.lab.machine('absent', 42);
      keepNeighbours(machine);
      const client = new EndlessClient(machine, serviceAddress, servicePort);
      try {
        await until('it is answered', () => client.answers > 20);
        machine.setCut(true);
        const moving = Date.now();
        await world.active.signal('SIGTERM');
        await sleep(8000);
        stage.check('the others are answered', world.client.answeredAfter(Date.now() - 500) !== undefined);
        const takings = world.watch.takings(moving, Date.now());
        stage.check('the address moved once', takings === 1, `${takings} times taken`);
        machine.setCut(false);
        const since = Date.now();
        await stage.within(10_000, 'it is answered again', () => client.answeredAfter(since));
      } finally {
        client.close();
        machine.killAll();
        machine.setCut(true);
      }
    },
  },
  {
    name: 'another host has the address already',
    seconds: 36,
    async play(stage) {
      const { world } = stage;
      const stranger = world.lab.machine('stranger', 51);
      for (const node of world.nodes) await node.signal('SIGTERM');
      await until('no node holds the address', () => world.watch.holders.length === 0);
      stranger.addAddress(serviceAddress);
      try {
        const since = Date.now();
        for (const node of world.nodes) node.start();
        for (const node of world.nodes) await until(`${node.name} answers`, () => node.view(), 20_000);
        await sleep(3000);
        // Conflicts are probed while the address is taken, so that a fail-over does not wait for the answer.
        const now = Date.now();
        const held = now - since - world.watch.away(since, now);
        stage.check('no Weldr keeps it', held < 1000 && world.watch.holders.length === 0, `${held} ms`);
        const { leader } = (await world.nodes[0]?.view()) ?? {};
        const node = world.nodes.find(({ name }) => name === leader) ?? world.active;
        const why = new RegExp(stranger.mac, 'i');
        await checkReported(stage, node, why, { since, where: 'log too' });
      } finally {
        stranger.removeAddress(serviceAddress);
      }
      await stage.within(5000, 'a Weldr takes it when it is free', () => world.watch.holders.length === 1);
    },
  },
  {
    name: 'another host takes the address while a Weldr holds it',
    seconds: 24,
    async play(stage) {
      const { world } = stage;
      const { active } = world;
      const stranger = world.lab.machine('thief', 52);
      const since = Date.now();
      stranger.addAddress(serviceAddress);
      stranger.run('arping', ['-q', '-U', '-c', '1', '-w', '1', '-I', 'eth0', serviceAddress]);
      try {
        // Conflicts are not probed constantly.
        const why = new RegExp(stranger.mac, 'i');
        await checkReported(stage, active, why, { since, where: 'log too', ms: 15_000 });
      } finally {
        stranger.removeAddress(serviceAddress);
      }
      await stage.within(10_000, 'clients are answered when it is gone', () =>
        world.client.answeredAfter(Date.now() - 300),
      );
    },
  },
];
