// access-log: writes one line for each finished request, refused ones included.
import { channel, definePlugin } from '../../core/plugin/define-plugin.ts';
import { Redaction } from '../../core/request/redaction.ts';
import { FileSink } from './file-sink.ts';
import { LineBuffer } from './line-buffer.ts';
import { lineFormat } from './line-format.ts';
import { LogSink } from './log-sink.ts';
import { LostLines } from './lost-lines.ts';
import { options, warnOf } from './options.ts';
import { WantedRequests } from './wanted-requests.ts';

export type { AccessLogOptions } from './options.ts';

/**
 * Logs requests: `accessLog()`. A line names the client and what it asked for, the upstreams tried, how long each phase
 * took, and what made the response. Lines are written in batches; lines that cannot be written are dropped and counted.
 *
 * @example accessLog({ file: '/var/log/weldr/access.log', when: { status: ['5xx'], slower: '1s' }, sample: 0.01 })
 */
export const accessLog = definePlugin({
  name: 'access-log',
  schema: options,
  channel: channel<never, 'reopen'>(),
  check: warnOf,
  worker(side, given) {
    const { hooks, clock, log, metrics, onClose } = side;
    const counter = metrics.counter({
      name: 'access_log_dropped_lines_total',
      help: 'Lines of the access log that could not be written.',
    });
    const lost = new LostLines({ log, clock, counter });
    const sink =
      given.file === undefined
        ? new LogSink(lines => side.writeLog(lines), lost)
        : new FileSink(given.file, side, lost);
    const buffer = new LineBuffer(sink, clock, lost);
    const wanted = new WantedRequests(given.when, given.sample);
    const format = lineFormat(given, new Redaction(given.redact), clock);
    // After the taps of all other plugins, which may still add notes.
    hooks.finished.tap({ name: 'access-log', stage: 1000 }, ctx => {
      if (!ctx.rehearsal && wanted.has(ctx)) buffer.add(format(ctx));
    });
    side.channel.onMessage(() => sink.reopen());
    onClose(() => buffer.close());
  },
  manager({ hooks, channel: workers }) {
    hooks.reopenFiles.tap('access-log', () => workers.broadcast('reopen'));
  },
});
