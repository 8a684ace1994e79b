// What the kernel says that a process does, for a line in the log.
import { readFileSync } from 'node:fs';

const states: Readonly<Record<string, string>> = {
  R: 'computing',
  S: 'waiting',
  D: 'waiting for a device',
  T: 'stopped by a signal',
  t: 'stopped by a debugger',
};

/** What the main thread of a process does at the moment; undefined where there is no /proc to say so. */
export function processState(pid: number | undefined): string | undefined {
  try {
    // proc(5): the name comes first, in parentheses, and may hold some itself.
    const [letter] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(')').at(-1)?.trim().split(' ') ?? [];
    return states[letter ?? ''];
  } catch {
    return undefined;
  }
}
