// Modules that run as separate processes: their paths, in a checkout (.ts) and in the published package (.js).
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Returns the path of the module `name` beside the module of this URL. */
export function siblingModule(name: string, url: string): string {
  return fileURLToPath(new URL(`./${name}${extname(url)}`, url));
}
