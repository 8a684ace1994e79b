// Cluster commands: `weldr cluster …`.
import { adminOf, type Command, print } from './command.ts';
import { adminFlags } from './flags.ts';

export const clusterCommands: readonly Command[] = [
  {
    usage: 'cluster status',
    text: 'Show nodes, leader, address and etcd; exits with 1 when something is wrong',
    flags: adminFlags,
    async run(_, given) {
      const { clusterStatus } = await import('../commands/cluster.ts');
      const { text, exitCode } = await clusterStatus(adminOf(given), given.isOn('json'));
      print(text);
      return exitCode;
    },
  },
  {
    usage: 'cluster hand-over',
    text: 'Have another node of the cluster lead; returns when it does',
    flags: ['to', ...adminFlags],
    async run(_, given) {
      const { handOver } = await import('../commands/cluster-leadership.ts');
      return print(await handOver(adminOf(given), given.text('to'), given.isOn('json')));
    },
  },
  {
    usage: 'cluster maintenance <state> [node]',
    text: 'on: a node hands over and does not lead, even after restarts; off: it may lead again. Default: the node whose admin API is called',
    flags: adminFlags,
    async run([state = '', node], given) {
      const { setMaintenance } = await import('../commands/cluster-leadership.ts');
      return print(await setMaintenance(adminOf(given), { state, node }, given.isOn('json')));
    },
  },
  {
    usage: 'cluster init <machines>',
    text: 'Write the settings of etcd and a config for each machine of a new cluster: a=10.0.0.1,b=10.0.0.2,c=10.0.0.3',
    flags: ['weldrs', 'address', 'interface', 'output'],
    flagTexts: { output: 'The folder to write; default weldr-cluster' },
    async run([machines = ''], given) {
      const { initCluster } = await import('../commands/cluster-init.ts');
      return print(
        await initCluster({
          machines,
          weldrs: given.text('weldrs'),
          address: given.text('address'),
          interface: given.text('interface'),
          output: given.text('output') ?? 'weldr-cluster',
        }),
      );
    },
  },
  {
    usage: 'cluster check <machines>',
    text: 'Check that the etcd of all machines is one cluster, fit for Weldr',
    flags: [],
    async run([machines = '']) {
      const { checkCluster } = await import('../commands/cluster-init.ts');
      const { text, code } = await checkCluster(machines);
      print(text);
      return code;
    },
  },
];
