// Config watch: notices that the config, or a module that it imports, was changed on disk.
import { realpathSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileState } from './file-state.ts';
import { modulesRead } from './module-reading.ts';

/** How often the files are polled, ms: editors replace files, and some file systems send no events. */
const interval = 500;

/** Watches a config and the modules it imports. Create it before the config is read. */
export class ConfigWatch {
  private readonly path: string;
  private readonly states = new Map<string, string>();
  /** Files that were changed since the last complete change. */
  private readonly changed = new Set<string>();

  constructor(path: string) {
    this.path = path;
    this.states.set(path, fileState(path));
  }

  /**
   * Watches until the process ends. Calls `onChange` once a change is complete: when no file has changed
   * since the previous poll. `cause` names the files, such as `a change of weldr.config.ts`.
   */
  start(onChange: (cause: string) => void): void {
    setInterval(() => this.look(onChange), interval).unref();
  }

  private look(onChange: (cause: string) => void): void {
    // A change between the reading of a module and its first poll counts too.
    for (const [file, state] of modulesRead()) if (!this.states.has(file)) this.states.set(file, state);
    let isSettled = true;
    for (const [file, before] of this.states) {
      const now = fileState(file);
      this.states.set(file, now);
      if (before === now) continue;
      isSettled = false;
      this.changed.add(file);
    }
    if (!isSettled || this.changed.size === 0) return;
    const cause = causeOf(this.path, this.changed);
    this.changed.clear();
    onChange(cause);
  }
}

/** Names the files relative to the folder of the config at `path`; those elsewhere by their full paths. */
function causeOf(path: string, files: Iterable<string>): string {
  const folder = dirname(realPath(path));
  // The config itself may be known by several paths.
  const names = new Set<string>();
  for (const file of files) {
    const whole = realPath(file);
    const short = relative(folder, whole);
    names.add(short.startsWith('..') ? whole : short);
  }
  const [first = path, ...others] = names;
  if (others.length === 0) return `a change of ${first}`;
  return `a change of ${first} and ${others.length} more ${others.length === 1 ? 'file' : 'files'}`;
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    // The file was removed.
    return resolve(file);
  }
}
