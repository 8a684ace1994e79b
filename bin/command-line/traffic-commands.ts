// Traffic commands: `explain`, `trace`, `stats` and `events`.
import { exitCodes } from '../../core/process/exit-codes.ts';
import { adminOf, type Command, print } from './command.ts';
import { adminFlags } from './flags.ts';

export const trafficCommands: readonly Command[] = [
  {
    usage: 'explain <method> <url>',
    text: 'Show how a request would be handled, and what each plugin does with it. Exits 1 if Weldr would respond with an error',
    flags: ['header', 'client-ip', 'listener', 'answer', ...adminFlags],
    async run([method = '', url = ''], given) {
      const { explain } = await import('../commands/explain.ts');
      const request = {
        method,
        url,
        headers: given.list('header'),
        clientIp: given.text('client-ip'),
        listener: given.text('listener'),
        answer: given.text('answer'),
      };
      const { text, exitCode } = await explain(adminOf(given), request, given.isOn('json'));
      print(text);
      return exitCode;
    },
  },
  {
    usage: 'trace',
    text: 'Show how real requests are handled, and what each plugin does with them. Exits 1 if there was none',
    flags: [
      'host',
      'path',
      'method',
      'status',
      'route',
      'pool',
      'server',
      'count',
      'duration',
      ...adminFlags,
    ],
    flagTexts: {
      host: 'Only requests for this host',
      path: 'Only requests for this path; "/api/*": for all that begin with it',
      method: 'Only requests with this method',
      pool: 'Only requests that went to this pool',
    },
    async run(_, given) {
      const { trace } = await import('../commands/trace.ts');
      const which = {
        host: given.text('host'),
        path: given.text('path'),
        method: given.text('method'),
        status: given.text('status'),
        route: given.text('route'),
        pool: given.text('pool'),
        server: given.text('server'),
        count: given.text('count'),
        duration: given.text('duration'),
      };
      const count = await trace(adminOf(given), which, { json: given.isOn('json'), print });
      return count === 0 ? exitCodes.failed : exitCodes.ok;
    },
  },
  {
    usage: 'stats',
    text: 'Show counts of requests and errors',
    flags: ['watch', 'sort', 'interval', ...adminFlags],
    flagTexts: { watch: 'Show a live view' },
    async run(_, given) {
      const { readStats, watchOptions, watchStats } = await import('../commands/stats.ts');
      const isWatched = given.isOn('watch');
      const how = { isWatched, sort: given.text('sort'), interval: given.text('interval') };
      const options = watchOptions(how);
      if (isWatched) {
        await watchStats(adminOf(given), options, given.isOn('json'));
        return exitCodes.ok;
      }
      return print(await readStats(adminOf(given), given.isOn('json')));
    },
  },
  {
    usage: 'events',
    text: 'Show recent events; with --follow also new ones as they happen',
    flags: ['follow', 'type', 'pool', 'limit', ...adminFlags],
    flagTexts: { pool: 'Only events of this pool' },
    async run(_, given) {
      const { followEvents, listEvents } = await import('../commands/events.ts');
      const wish = {
        type: given.text('type'),
        pool: given.text('pool'),
        limit: given.text('limit'),
      };
      const json = given.isOn('json');
      if (!given.isOn('follow')) return print(await listEvents(adminOf(given), wish, json));
      await followEvents(adminOf(given), wish, json);
      return exitCodes.ok;
    },
  },
];
