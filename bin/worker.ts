// What a worker process runs; the manager forks it.
import { loadConfig } from '../config/load.ts';
import { openLog, type ProcessLog } from '../core/log/log.ts';
import { exitOnDefect } from '../core/process/defects.ts';
import { managerLink } from '../core/process/forked-worker.ts';
import { Worker } from '../core/process/worker.ts';

let processLog: ProcessLog | undefined;

exitOnDefect(() => processLog);
// A terminal and some service managers signal the whole group; the manager alone decides what it means.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

new Worker({
  link: managerLink(async () => await processLog?.flush()),
  load: loadConfig,
  openLog: async (level, worker) => {
    process.title = `weldr: worker ${worker}`;
    processLog = await openLog(level, { worker });
    return processLog.log;
  },
});
