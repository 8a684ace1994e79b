// How much memory the only worker of a Weldr takes while a body passes through it.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWeldr } from '../support/weldr.ts';

export const megabyte: number = 1024 * 1024;

/** Returns the proportional memory of the only worker, bytes. */
function memoryOf(weldr: TestWeldr): number {
  const [worker] = weldr.workers();
  const rollup = readFileSync(`/proc/${worker}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}

/** Returns the most memory of the worker during `work`, bytes. */
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
 * The most memory that a transfer of so many bytes takes, bytes. Memory at rest is not comparable: V8 lets 64 MB of unused
 * buffers pile up before it collects them, so memory during a transfer is a sawtooth, of which only the peaks can be
 * compared.
 */
export function usualPeak(
  weldr: TestWeldr,
  bytes: number,
  transfer: (bytes: number) => Promise<unknown>,
): Promise<number> {
  return peakDuring(weldr, transfer(bytes));
}
