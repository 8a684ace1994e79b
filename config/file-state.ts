// File state: what tells one content of a file from the next without reading it.
import { statSync } from 'node:fs';

/** A text that differs when the file at a path was changed, replaced, removed or made. */
export function fileState(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'not there';
  }
}
