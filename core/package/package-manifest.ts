// The folder of this package, which is the same for the sources and for the published bundle.
import { findPackageJSON } from 'node:module';
import { pathToFileURL } from 'node:url';

const path = findPackageJSON(import.meta.url);

/** The URL of its package.json; undefined when the code was copied out of its package. */
export const packageManifest = path === undefined ? undefined : pathToFileURL(path);
