// Modules that run as a process of their own: their paths, in a checkout (.ts) and in what is published (.js).
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The path of the module `name` beside the module of this URL. */
export function siblingModule(name: string, url: string): string {
  return fileURLToPath(new URL(`./${name}${extname(url)}`, url));
}
