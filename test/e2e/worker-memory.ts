// How much memory the only worker of a Weldr takes while a body passes through it.
import { readFileSync, writeFileSync } from 'node:fs';
import type { TestWeldr } from '../support/weldr.ts';

export const megabyte: number = 1024 * 1024;

/**
 * How much higher than the usual peak one may be, bytes: V8 collects unused buffers when they have grown by 64 MB since its
 * last collection, and one may come late.
 */
export const peakTolerance: number = 128 * megabyte;

/** Returns the most memory of the only worker during `work`, bytes, as the kernel counts it: nothing is missed. */
export async function peakDuring(weldr: TestWeldr, work: Promise<unknown>): Promise<number> {
  const [worker] = weldr.workers();
  // Forgets the peak so far: proc_pid_clear_refs(5).
  writeFileSync(`/proc/${worker}/clear_refs`, '5');
  await work;
  const status = readFileSync(`/proc/${worker}/status`, 'utf8');
  const peak = /^VmHWM:\s+(\d+) kB/m.exec(status)?.[1];
  if (peak === undefined) throw new Error(`worker ${worker} has no peak: ${status}`);
  return Number(peak) * 1024;
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
