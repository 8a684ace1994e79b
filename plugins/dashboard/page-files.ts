// PageFiles: the built files of the page: in a checkout from `npm run build:dashboard`, in the package beside this module.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One file; its path is relative to the page, `''` for the page itself. */
export interface PageFile {
  readonly path: string;
  readonly contentType: string;
  readonly bytes: Buffer;
}

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Returns all files; undefined when they are not built. */
export function readPage(): PageFile[] | undefined {
  const place = extname(import.meta.url) === '.ts' ? '../../dashboard/dist/' : './ui/';
  const folder = fileURLToPath(new URL(place, import.meta.url));
  if (!existsSync(join(folder, 'index.html'))) return undefined;
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).flatMap(name => {
    const contentType = contentTypes[extname(name)];
    if (contentType === undefined) return [];
    const path = name === 'index.html' ? '' : name.replaceAll('\\', '/');
    return { path, contentType, bytes: readFileSync(join(folder, name)) };
  });
}
