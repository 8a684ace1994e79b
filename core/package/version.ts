// The version of this Weldr, from its package.json.
import { readFileSync } from 'node:fs';
import { packageManifest } from './package-manifest.ts';

/** Such as `1.2.3`. */
export const version = readVersion();

function readVersion(): string {
  const contents: unknown =
    packageManifest === undefined ? undefined : JSON.parse(readFileSync(packageManifest, 'utf8'));
  const found = typeof contents === 'object' && contents !== null && 'version' in contents;
  return found ? String(contents.version) : 'unknown';
}
