// Route commands: `weldr routes …`.
import { adminOf, type Command, print } from './command.ts';
import { adminFlags } from './flags.ts';

export const routeCommands: readonly Command[] = [
  {
    usage: 'routes',
    text: 'List the routes of the running Weldr',
    flags: adminFlags,
    async run(_, given) {
      const { listRoutes } = await import('../commands/routes.ts');
      return print(await listRoutes(adminOf(given), given.isOn('json')));
    },
  },
  {
    usage: 'routes set <name>',
    text: 'Add a route, or change the one of this name',
    flags: [
      'host',
      'path',
      'method',
      'pool',
      'split',
      'redirect',
      'strip-prefix',
      'rewrite',
      'priority',
      'value',
      ...adminFlags,
    ],
    flagTexts: {
      host: 'Hosts that clients ask for; separate several with commas',
      pool: 'The pool that it leads to',
    },
    async run([name = ''], given) {
      const { setRoute } = await import('../commands/routes.ts');
      const said = {
        host: given.text('host'),
        path: given.text('path'),
        method: given.text('method'),
        pool: given.text('pool'),
        split: given.text('split'),
        redirect: given.text('redirect'),
        stripPrefix: given.text('strip-prefix'),
        rewrite: given.text('rewrite'),
        priority: given.text('priority'),
        value: given.text('value'),
      };
      return print(await setRoute(adminOf(given), { name, flags: said }, given.isOn('json')));
    },
  },
  {
    usage: 'routes remove <name>',
    text: 'Remove a route',
    flags: adminFlags,
    async run([name = ''], given) {
      const { removeRoute } = await import('../commands/routes.ts');
      return print(await removeRoute(adminOf(given), name, given.isOn('json')));
    },
  },
  {
    usage: 'routes reset <name>',
    text: 'Drop run-time changes of a route: the config applies again',
    flags: ['field', ...adminFlags],
    flagTexts: { field: 'Only this field, such as priority; separate several with commas' },
    async run([name = ''], given) {
      const { resetRoute } = await import('../commands/routes.ts');
      const what = { name, field: given.text('field') };
      return print(await resetRoute(adminOf(given), what, given.isOn('json')));
    },
  },
  {
    usage: 'routes test <method> <url>',
    text: 'Show which route a request would take, and why the routes before it do not match',
    flags: ['header', ...adminFlags],
    async run([method = '', url = ''], given) {
      const { testRoute } = await import('../commands/routes.ts');
      const request = { method, url, headers: given.list('header') };
      return print(await testRoute(adminOf(given), request, given.isOn('json')));
    },
  },
];
