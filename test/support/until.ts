// Waiting in tests for what takes an unknown time.
import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds. Rejects, naming it, if it does not in time. */
export async function until(what: string, holds: () => unknown, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = 1; !(await holds()); pause = Math.min(2 * pause, 20)) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
    await sleep(pause);
  }
}
