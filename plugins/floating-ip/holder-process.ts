// HolderProcess: the only process that changes addresses. Its manager starts it and sends it orders over IPC. It outlives a killed manager
// until it has let go. It loads nothing that it does not need.
import type { Clock } from '../../core/time/clock.ts';
import { AddressHolder } from './address-holder.ts';
import { canKeepDeadlines } from './deadline.ts';
import type { HolderArguments, HolderLog, Order, Report } from './orders.ts';
import { checkPrerequisites } from './prerequisites.ts';
import { surrender } from './surrender.ts';
import { Watchdog } from './watchdog.ts';

const clock: Clock = {
  now: () => Date.now(),
  // The same in all processes of the machine; `performance.now()` counts from the start of each.
  monotonic: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  after(ms, fn) {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  },
  every(ms, fn) {
    const timer = setInterval(fn, ms);
    return () => clearInterval(timer);
  },
};

// Only the manager stops this process.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const) {
  process.on(signal, () => {});
}
// The manager at the other end may have died.
process.stderr.on('error', () => {});

// The levels of the manager's log.
const levels = { info: 30, warn: 40, error: 50 } as const;

function send(report: Report): void {
  if (process.connected) process.send?.(report, undefined, {}, () => {});
  // The manager is gone, so this process writes its log lines itself.
  else if (report.type === 'log') {
    const { level, fields, text } = report;
    const line = {
      level: levels[level],
      time: new Date().toISOString(),
      plugin: 'floating-ip',
      ...fields,
      msg: text,
    };
    process.stderr.write(`${JSON.stringify(line)}\n`);
  }
}

/** Sends a report; resolves when it is in the pipe, which a manager reads to its end. */
async function deliver(report: Report): Promise<void> {
  if (!process.connected) return;
  await new Promise<void>(resolve => {
    if (process.send === undefined) resolve();
    else process.send(report, undefined, {}, () => resolve());
  });
}

const log: HolderLog = {
  info: (fields, text) => send({ type: 'log', level: 'info', fields, text }),
  warn: (fields, text) => send({ type: 'log', level: 'warn', fields, text }),
  error: (fields, text) => send({ type: 'log', level: 'error', fields, text }),
};

const { addresses, interface: name, again }: HolderArguments = JSON.parse(process.argv[2] ?? '');
const holder = new AddressHolder({ addresses, interface: name, log, clock });
holder.observer = {
  held: held => send({ type: 'held', held }),
  complaint: text => send({ type: 'complaint', text }),
};
const watchdog = new Watchdog({
  holder,
  clock,
  log,
  send,
  deliver,
  surrender,
  afterMessages: setImmediate,
});

process.on('message', (order: Order) => {
  if (order.type === 'end') void leave(watchdog.end());
  else void watchdog.take(order);
});
process.on('disconnect', () => void leave(watchdog.managerGone()));

/** Ends this process when everything is gone. */
async function leave(done: Promise<void>): Promise<void> {
  await done;
  process.exit(0);
}

const refusal = again ? await takeUp() : await checkPrerequisites(addresses, name, holder, log);
send({ type: 'ready', fence: holder.fence, refusal });

/** Continues where an earlier process stopped. */
async function takeUp(): Promise<undefined> {
  holder.keepsDeadlines = await canKeepDeadlines();
  await holder.chooseFence({ again: true });
}
