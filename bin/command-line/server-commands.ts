// Server commands: `weldr servers …`.
import { usageError } from '../command-error.ts';
import { adminOf, type Command, poolOf, print } from './command.ts';
import { adminFlags } from './flags.ts';

export const serverCommands: readonly Command[] = [
  {
    usage: 'servers',
    text: 'List the servers of the running Weldr',
    flags: ['pool', ...adminFlags],
    async run(_, given) {
      const { listServers } = await import('../commands/servers.ts');
      return print(await listServers(adminOf(given), poolOf(given), given.isOn('json')));
    },
  },
  {
    usage: 'servers add <url>',
    text: 'Add a server, or change the one that has this URL',
    flags: [
      'weight',
      'backup',
      'max-connections',
      'zone',
      'http2',
      'host',
      'proxy-protocol',
      'ttl',
      'pool',
      ...adminFlags,
    ],
    async run([url = ''], given) {
      const { addServer } = await import('../commands/servers.ts');
      const weight = given.text('weight');
      if (weight !== undefined && !/^\d{1,4}$/.test(weight)) {
        throw usageError(`--weight: expected a number from 1 to 1000, got ${weight}`);
      }
      const most = given.text('max-connections');
      if (most !== undefined && !/^[1-9]\d{0,6}$/.test(most)) {
        throw usageError(`--max-connections: expected a number from 1 to 1000000, got ${most}`);
      }
      const server = {
        url,
        weight: weight === undefined ? undefined : Number(weight),
        backup: given.isOn('backup') || undefined,
        maxConnections: most === undefined ? undefined : Number(most),
        zone: given.text('zone'),
        http2: given.isOn('http2') || undefined,
        host: given.text('host'),
        proxyProtocol: given.text('proxy-protocol'),
        ttl: given.text('ttl'),
      };
      return print(await addServer(adminOf(given), poolOf(given), server, given.isOn('json')));
    },
  },
  {
    usage: 'servers remove <url>',
    text: 'Remove a server once its requests are finished',
    flags: ['force', 'wait', 'pool', ...adminFlags],
    async run([url = ''], given) {
      const { removeServer } = await import('../commands/servers.ts');
      const how = { force: given.isOn('force'), wait: given.isOn('wait') };
      return print(await removeServer(adminOf(given), poolOf(given), url, how, given.isOn('json')));
    },
  },
  {
    usage: 'servers reset <url>',
    text: 'Drop run-time changes of a server: the config applies again',
    flags: ['field', 'pool', ...adminFlags],
    flagTexts: { field: 'Only this field, such as weight; separate several with commas' },
    async run([url = ''], given) {
      const { resetServer } = await import('../commands/servers.ts');
      const json = given.isOn('json');
      return print(
        await resetServer(adminOf(given), { pool: poolOf(given), url, field: given.text('field') }, json),
      );
    },
  },
  stateCommand('drain', 'draining', 'Send a server no new requests, but keep it in the list'),
  stateCommand('disable', 'disabled', 'Take a server out until it is enabled again'),
  stateCommand('enable', 'active', 'Send requests to a drained or disabled server again'),
];

function stateCommand(word: string, state: 'active' | 'draining' | 'disabled', text: string): Command {
  return {
    usage: `servers ${word} <url>`,
    text,
    flags: state === 'draining' ? ['wait', 'pool', ...adminFlags] : ['pool', ...adminFlags],
    async run([url = ''], given) {
      const { setServerState } = await import('../commands/servers.ts');
      const how = { state, wait: given.isOn('wait') };
      return print(await setServerState(adminOf(given), poolOf(given), url, how, given.isOn('json')));
    },
  };
}
