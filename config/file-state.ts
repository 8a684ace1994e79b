// File state: detects that a file was changed without reading it.
import { statSync } from 'node:fs';

/** Returns a text that changes when the file at a path is changed, replaced, removed or created. */
export function fileState(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'not there';
  }
}
