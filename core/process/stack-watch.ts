// Watches this process's main thread from another thread, which can take its stack when it hangs.
import { Worker } from 'node:worker_threads';
import type { Logger } from 'pino';
import { systemClock } from '../time/clock.ts';
import { beatInterval } from './heartbeat.ts';
import { siblingModule } from './sibling-module.ts';

/** What the thread receives. */
export interface StackWatchData {
  readonly worker: number;
  /** One number, which the main thread increases with each beat. */
  readonly beats: Int32Array;
}

/**
 * Starts the thread. It costs some 9 MB and 50 ms of CPU, too much for each worker of a Weldr where nothing hangs, and
 * a thread that hangs cannot start another one: so the manager asks for it once one of its workers has hung.
 */
export function watchStack(worker: number, log: Logger): void {
  if (!log.isLevelEnabled('error')) return;
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const workerData: StackWatchData = { worker, beats };
  // None of this process's flags, such as preloaded modules, is meant for it.
  const thread = new Worker(siblingModule('stack-watch-thread', import.meta.url), {
    workerData,
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
  });
  thread.unref();
  const cancel = systemClock.every(beatInterval, () => void Atomics.add(beats, 0, 1));
  thread.on('error', error => {
    cancel();
    log.warn({ err: error }, 'the thread that records the stack of a hanging worker has failed');
  });
}
