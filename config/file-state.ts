// File state: detects that a file was changed without reading it.
import { statSync } from 'node:fs';

/** Returns a text that differs once the file at a path was changed, replaced, removed or created. */
export function fileState(path: string): string {
  try {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return 'not there';
  }
}
