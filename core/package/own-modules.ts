// Which modules are Weldr's own, in a checkout and in what is published.
import { packageManifest } from './package-manifest.ts';

const folders = ['core/', 'config/', 'plugins/', 'bin/', 'dist/'].map(
  folder => new URL(folder, packageManifest ?? import.meta.url).href,
);

/** Returns whether the module of this `file:` URL is a part of Weldr itself. */
export function isOwnModule(url: string): boolean {
  return folders.some(folder => url.startsWith(folder));
}
