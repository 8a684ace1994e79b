// The entry of a worker process, which the manager forks.
import { replayConfig } from '../config/load.ts';
import { openLog, type ProcessLog } from '../core/log/log.ts';
import { exitOnDefect } from '../core/process/defects.ts';
import { managerLink } from '../core/process/forked-worker.ts';
import { ignoreSignals } from '../core/process/signals.ts';
import { collectStartGarbage } from '../core/process/start-garbage.ts';
import { Worker } from '../core/process/worker.ts';

let processLog: ProcessLog | undefined;

exitOnDefect(() => processLog);
// A terminal and some service managers signal the whole process group; only the manager reacts to that.
ignoreSignals('stops too');

new Worker({
  link: managerLink(async () => await processLog?.flush()),
  load: replayConfig,
  // Nearly all configs import these. An error in them is reported when a config imports them.
  prepare: () => void import(import.meta.resolve('weldr/plugins')).catch(() => {}),
  loaded: collectStartGarbage,
  openLog: async (level, worker) => {
    process.title = `weldr: worker ${worker}`;
    processLog = await openLog({ level, bindings: { worker } });
    return processLog;
  },
});
