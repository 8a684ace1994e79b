// What a process is doing according to the kernel, for a line in the log.
import { readFileSync } from 'node:fs';

const states: Readonly<Record<string, string>> = {
  R: 'computing',
  S: 'waiting',
  D: 'waiting for a device',
  T: 'stopped by a signal',
  t: 'stopped by a debugger',
};

/** Returns what the main thread of a process is doing; undefined on systems without /proc. */
export function processState(pid: number | undefined): string | undefined {
  try {
    // proc(5): the name comes first, in parentheses, and may itself contain some.
    const [letter] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1)?.trim().split(' ') ?? [];
    return states[letter ?? ''];
  } catch {
    return undefined;
  }
}
