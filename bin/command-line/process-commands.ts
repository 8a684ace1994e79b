// Process commands: start, check, init, and the control of a running process.
import { adminOf, type Command, print } from './command.ts';
import { adminFlags, type GivenFlags, settingFlags } from './flags.ts';

export const processCommands: readonly Command[] = [
  {
    usage: 'start',
    text: 'Run Weldr (what `weldr` alone does)',
    flags: [...settingFlags, 'watch'],
    async run(_, given) {
      const { start } = await import('../start.ts');
      await start({ ...startSettings(given), watch: given.isOn('watch') });
      return undefined;
    },
  },
  {
    usage: 'check',
    text: 'Check the config without starting anything',
    flags: settingFlags,
    async run(_, given) {
      const { check } = await import('../start.ts');
      return await check(startSettings(given));
    },
  },
  {
    usage: 'init [folder]',
    text: 'Create a project: a config, a plugin with its test, a Dockerfile. Asks for what the flags leave open',
    flags: ['servers', 'https', 'ip', 'force'],
    flagTexts: { force: 'Overwrite files' },
    async run([folder], given) {
      const { initProject } = await import('../commands/init.ts');
      return print(
        await initProject({
          folder,
          servers: given.text('servers'),
          https: given.text('https'),
          listen: given.text('ip'),
          force: given.isOn('force'),
        }),
      );
    },
  },
  {
    usage: 'schema',
    text: 'Print the JSON schema of .json and .yaml configs, for editors',
    flags: ['output'],
    async run(_, given) {
      const { printSchema } = await import('../commands/schema.ts');
      return print(await printSchema(given.text('output')));
    },
  },
  {
    usage: 'reload',
    text: 'Reload the config of the running Weldr',
    flags: adminFlags,
    async run(_, given) {
      const answer = await adminOf(given).call({ method: 'POST', path: '/reload', timeoutMs: 120_000 });
      return print(
        given.isOn('json') ? JSON.stringify(answer ?? {}) : 'the config was reloaded and is active',
      );
    },
  },
  {
    usage: 'health',
    text: 'Exit with 0 if the running Weldr takes requests, for health checks of containers',
    flags: adminFlags,
    async run(_, given) {
      const { readHealth } = await import('../commands/health.ts');
      return print(await readHealth(adminOf(given), given.isOn('json')));
    },
  },
  {
    usage: 'upgrade',
    text: 'Replace the running Weldr with the version of Weldr, or Node, that is installed now',
    flags: adminFlags,
    async run(_, given) {
      const { upgrade } = await import('../commands/upgrade.ts');
      return print(await upgrade(adminOf(given), given.isOn('json')));
    },
  },
];

function startSettings(given: GivenFlags) {
  return {
    config: given.text('config'),
    ip: given.text('ip'),
    adminIp: given.text('admin-ip'),
    workers: given.text('workers'),
  };
}
