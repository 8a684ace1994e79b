// Config watch: notices that the config, or a module that it imports, was changed on disk.
import { fileState } from './file-state.ts';
import { modulesRead } from './module-reading.ts';

/** How often the files are looked at, ms. Asking is plainest: editors replace files, and some disks tell nobody. */
const interval = 500;

/** Looks at a config and at the modules that are read for it. Make it before the config is read. */
export class ConfigWatch {
  private readonly states = new Map<string, string>();
  private unsettled = false;

  constructor(path: string) {
    this.states.set(path, fileState(path));
  }

  /**
   * Watches for as long as the process lives. Calls `onChange` once a change is complete: when no file is another than
   * at the look before.
   */
  start(onChange: () => void): void {
    setInterval(() => this.look(onChange), interval).unref();
  }

  private look(onChange: () => void): void {
    // A change between the reading of a module and the first look at it counts, too.
    for (const [file, state] of modulesRead()) if (!this.states.has(file)) this.states.set(file, state);
    let changed = false;
    for (const [file, before] of this.states) {
      const now = fileState(file);
      this.states.set(file, now);
      if (before !== now) changed = true;
    }
    if (this.unsettled && !changed) onChange();
    this.unsettled = changed;
  }
}
