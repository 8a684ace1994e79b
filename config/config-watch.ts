// Config watch: notices that the config, or a module that it imports, was changed on disk.
import { stat } from 'node:fs/promises';
import { modulesRead } from './module-reading.ts';

/** How often the files are looked at, ms. Asking is plainest: editors replace files, and some disks tell nobody. */
const interval = 500;

/**
 * Looks at the config at a path and at the modules that were read for it, for as long as the process lives. Calls
 * `onChange` once a change is complete: when no file is another than at the look before.
 */
export function watchConfig(path: string, onChange: () => void): void {
  const states = new Map<string, string>();
  let looking = false;
  let unsettled = false;
  const look = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    let changed = false;
    for (const file of [path, ...modulesRead()]) {
      const before = states.get(file);
      const now = await stateOf(file);
      states.set(file, now);
      // A module that is new here was just read.
      if (before !== undefined && before !== now) changed = true;
    }
    looking = false;
    if (unsettled && !changed) onChange();
    unsettled = changed;
  };
  void look();
  setInterval(() => void look(), interval).unref();
}

async function stateOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'not there';
  }
}
