// The version of this Weldr, from its package.json.
import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** Such as `1.2.3`. */
export const version = readVersion();

function readVersion(): string {
  const path = findPackageJSON(import.meta.url);
  const contents: unknown = path === undefined ? undefined : JSON.parse(readFileSync(path, 'utf8'));
  const found = typeof contents === 'object' && contents !== null && 'version' in contents;
  return found ? String(contents.version) : 'unknown';
}
