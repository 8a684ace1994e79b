// How much memory the only worker of a Weldr takes while something passes through it.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWeldr } from '../support/weldr.ts';

export const megabyte: number = 1024 * 1024;

/** Memory of the only worker, bytes: what is its own. */
function memoryOf(weldr: TestWeldr): number {
  const [worker] = weldr.workers();
  const rollup = readFileSync(`/proc/${worker}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}

/** The most memory that the worker has while `work` is done. */
export async function peakDuring(weldr: TestWeldr, work: Promise<unknown>): Promise<number> {
  let peak = 0;
  let over = false;
  const done = work.finally(() => {
    over = true;
  });
  done.catch(() => {});
  while (!over) {
    peak = Math.max(peak, memoryOf(weldr));
    await sleep(20);
  }
  await done;
  return peak;
}

/**
 * The most memory that a transfer of 256 MiB takes. A reading at rest would be another thing: V8 lets 64 MB of buffers
 * that nobody holds any more pile up before it collects them, so memory under way is a sawtooth, and only its peaks can
 * be compared.
 */
export function usualPeak(weldr: TestWeldr, transfer: (bytes: number) => Promise<unknown>): Promise<number> {
  return peakDuring(weldr, transfer(256 * megabyte));
}
