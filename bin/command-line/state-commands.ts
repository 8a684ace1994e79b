// State commands: the changes of operators at run time, as files.
import { usageError } from '../command-error.ts';
import { adminOf, type Command, print } from './command.ts';
import { adminFlags, reachFlags } from './flags.ts';

export const stateCommands: readonly Command[] = [
  {
    usage: 'apply',
    text: 'Apply the servers, pools and routes of a file, and print the differences. With --dry-run exits 1 if there are any',
    flags: ['file', 'dry-run', 'prune', ...reachFlags],
    async run(_, given) {
      const file = given.text('file');
      if (file === undefined) throw usageError('weldr apply: which file? -f state.yaml, or -f - for stdin');
      const { applyFile } = await import('../commands/apply.ts');
      const how = { dryRun: given.isOn('dry-run'), prune: given.isOn('prune') };
      const { text, exitCode } = await applyFile(adminOf(given), file, how);
      print(text);
      return exitCode;
    },
  },
  {
    usage: 'get',
    text: 'Print the active servers, pools and routes, as a file for weldr apply',
    flags: reachFlags,
    async run(_, given) {
      const { getState } = await import('../commands/get.ts');
      return print(await getState(adminOf(given)));
    },
  },
  {
    usage: 'pool reset',
    text: 'Drop all run-time changes: servers, pools, routes, certificates, settings',
    flags: adminFlags,
    async run(_, given) {
      const { resetPool } = await import('../commands/pool.ts');
      return print(await resetPool(adminOf(given), given.isOn('json')));
    },
  },
  {
    usage: 'pool export',
    text: 'Print all run-time changes as JSON, to import them elsewhere',
    flags: ['output', 'secrets', ...reachFlags],
    async run(_, given) {
      const { exportPool } = await import('../commands/pool.ts');
      const how = { file: given.text('output'), secrets: given.isOn('secrets') };
      return print(await exportPool(adminOf(given), how));
    },
  },
  {
    usage: 'pool import [file]',
    text: 'Import run-time changes from a file or stdin',
    flags: adminFlags,
    async run([file], given) {
      const { importPool } = await import('../commands/pool.ts');
      return print(await importPool(adminOf(given), file, given.isOn('json')));
    },
  },
];
