// Where this package is: the same folder, whether it runs from its sources or from the bundle that is published.
import { findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';

const path = findPackageJSON(import.meta.url);

/** The URL of its package.json; undefined where it was taken out of its package. */
export const packageManifest = path === undefined ? undefined : pathToFileURL(path);
