// Pool commands: `weldr pools …`.
import { adminOf, type Command, print } from './command.ts';
import { adminFlags } from './flags.ts';

export const poolCommands: readonly Command[] = [
  {
    usage: 'pools',
    text: 'List the pools of the running Weldr',
    flags: adminFlags,
    async run(_, given) {
      const { listPools } = await import('../commands/pools.ts');
      return print(await listPools(adminOf(given), given.isOn('json')));
    },
  },
  {
    usage: 'pools add <name>',
    text: 'Add a pool, or change the one of this name',
    flags: ['fallback', 'plugins', 'http2', 'host', 'proxy-protocol', 'check-path', 'set', ...adminFlags],
    flagTexts: {
      http2: 'Speak HTTP/2 with its servers, without TLS too',
      'proxy-protocol': 'Send its servers the client address in a PROXY header: v1 or v2',
    },
    async run([name = ''], given) {
      const { addPool, namesOf, settingsOf } = await import('../commands/pools.ts');
      const path = given.text('check-path');
      const pool = {
        fallback: given.text('fallback'),
        plugins: namesOf(given.text('plugins')),
        http2: given.isOn('http2') || undefined,
        host: given.text('host'),
        proxyProtocol: given.text('proxy-protocol'),
        healthCheck: path === undefined ? undefined : { path },
      };
      const definition = { name, ...settingsOf(pool, given.list('set')) };
      return print(await addPool(adminOf(given), definition, given.isOn('json')));
    },
  },
  {
    usage: 'pools remove <name>',
    text: 'Remove a pool',
    flags: ['force', ...adminFlags],
    flagTexts: { force: 'Remove it even if routes or fallbacks lead to it; their requests then get 503' },
    async run([name = ''], given) {
      const { removePool } = await import('../commands/pools.ts');
      const how = { force: given.isOn('force') };
      return print(await removePool(adminOf(given), { name, how }, given.isOn('json')));
    },
  },
  {
    usage: 'pools reset <name>',
    text: 'Drop run-time changes of a pool: the config applies again',
    flags: adminFlags,
    async run([name = ''], given) {
      const { dropPoolChanges } = await import('../commands/pools.ts');
      return print(await dropPoolChanges(adminOf(given), name, given.isOn('json')));
    },
  },
];
