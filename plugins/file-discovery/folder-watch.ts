// FolderWatch: notices changes in the folders of a file: its own, and the one that a link leads to.
import { type FSWatcher, statSync, watch } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toError } from '../../core/errors.ts';

interface Watched {
  readonly watcher: FSWatcher;
  /** Identifies the folder: a replaced one must be watched again. */
  readonly version: string;
}

/**
 * Watches folders instead of the file: after a rename over the file, or a switched link, a watch on the file would be lost.
 */
export class FolderWatch {
  private readonly path: string;
  private readonly changed: () => void;
  private readonly folders = new Map<string, Watched>();
  private isClosed = false;

  constructor(path: string, changed: () => void) {
    this.path = path;
    this.changed = changed;
  }

  /** Watches where the file is now. Resolves with why a folder cannot be watched, or undefined. Never rejects. */
  async refresh(): Promise<string | undefined> {
    const real = await realpath(this.path).catch(() => this.path);
    if (this.isClosed) return undefined;
    const wanted = new Set([dirname(this.path), dirname(real)]);
    for (const folder of this.folders.keys()) if (!wanted.has(folder)) this.forget(folder);
    let problem: string | undefined;
    for (const folder of wanted) problem = this.watchFolder(folder) ?? problem;
    return problem;
  }

  close(): void {
    this.isClosed = true;
    for (const folder of this.folders.keys()) this.forget(folder);
  }

  private watchFolder(folder: string): string | undefined {
    try {
      const { dev, ino } = statSync(folder);
      const version = `${dev} ${ino}`;
      if (this.folders.get(folder)?.version === version) return undefined;
      this.forget(folder);
      const watcher = watch(folder, { persistent: false }, () => this.changed());
      watcher.on('error', () => this.forget(folder));
      this.folders.set(folder, { watcher, version });
      return undefined;
    } catch (thrown) {
      return toError(thrown).message;
    }
  }

  private forget(folder: string): void {
    this.folders.get(folder)?.watcher.close();
    this.folders.delete(folder);
  }
}
