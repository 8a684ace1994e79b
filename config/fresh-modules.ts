// How a config's modules are read: its TypeScript always as ES modules, and again at a reload, although Node keeps
// every module that it has once read.
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const mark = 'weldr-reading';
/** Weldr's own modules stay single: a second `core/pool/pool.ts` would have an Upstream that is none. */
const ownFolders = ['core/', 'config/', 'plugins/', 'bin/'].map(
  folder => new URL(`../${folder}`, import.meta.url).href,
);
let readings = 0;
const read = new Set<string>();

/** The paths of the modules that were read by relative or absolute path, those of earlier readings included. */
export function modulesRead(): ReadonlySet<string> {
  return read;
}

/**
 * The URL under which a module and all that it imports by relative or absolute path are read anew; packages
 * (`node_modules`, and Weldr itself) are not. The first call answers the URL as it is: nothing was read before.
 */
export function freshUrl(url: URL): string {
  const reading = readings++;
  if (reading === 0) {
    registerHooks({ resolve });
    return url.href;
  }
  const marked = new URL(url);
  marked.searchParams.set(mark, String(reading));
  return marked.href;
}

const resolve: Parameters<typeof registerHooks>[0]['resolve'] = (specifier, context, nextResolve) => {
  const resolved = nextResolve(specifier, context);
  if (!isUsers(resolved.url)) return resolved;
  const url = new URL(resolved.url);
  read.add(fileURLToPath(url));
  const reading = markOf(context.parentURL);
  if (reading !== null && /^(\.{0,2}\/|file:)/.test(specifier)) url.searchParams.set(mark, reading);
  // `npm init` writes "type": "commonjs", which is not meant for a config that says `import`.
  if (url.pathname.endsWith('.ts')) return { ...resolved, url: url.href, format: 'module-typescript' };
  return { ...resolved, url: url.href };
};

function markOf(url: string | undefined): string | null {
  return url?.startsWith('file:') && url.includes(mark) ? new URL(url).searchParams.get(mark) : null;
}

function isUsers(url: string): boolean {
  if (!url.startsWith('file:') || url.includes('/node_modules/')) return false;
  return !ownFolders.some(folder => url.startsWith(folder));
}
