// Starts a Weldr to measure the start itself.
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Running, type RunOptions, run, stop } from './processes.ts';

const startTimeout = 20_000;
/** The pause between attempts to get a response, ms: polling without one would take a core from the start. */
const pollInterval = 5;

/** A Weldr that serves. */
export interface StartedWeldr {
  readonly running: Running;
  /** From the spawn of the command to the end of the first response, µs. */
  readonly time: number;
}

/** Starts Node with these arguments. Resolves once `/small` at the port responds with 200. */
export async function startedWeldr(
  args: readonly string[],
  port: number,
  options: RunOptions,
): Promise<StartedWeldr> {
  const start = performance.now();
  const running = run(process.execPath, args, options);
  let gone = false;
  void running.ended.then(() => {
    gone = true;
  });
  while (!(await answers(port))) {
    if (gone || performance.now() - start > startTimeout) {
      await stop(running);
      throw new Error(`weldr does not serve: ${running.output}`);
    }
    await sleep(pollInterval);
  }
  return { running, time: (performance.now() - start) * 1000 };
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const asked = get({ port, host: '127.0.0.1', path: '/small', agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode === 200));
    });
    asked.on('error', () => resolve(false));
  });
}
