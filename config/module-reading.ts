// Module reading: imports a config's modules, TypeScript always as ES modules. A reload reads them again although Node caches
// each module; the manager records them, and workers read from that recording.
import { realpathSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { withoutMarks } from '../core/log/reading-mark.ts';
import { isOwnModule } from '../core/package/own-modules.ts';
import type { ConfigRecording, RecordedModule } from '../core/process/config-source.ts';
import { fileState } from './file-state.ts';
import { type Recorder, sourceOf } from './recorder.ts';

type Hooks = Parameters<typeof registerHooks>[0];

const mark = /[?&]weldr-reading=(\d+)/g;
const { cache: commonJsCache } = createRequire(import.meta.url);

/** One reading of a config and of all that it imports by path. */
interface Reading {
  /** Set when the modules come from the disk. */
  readonly recorder?: Recorder;
  /** Set when they come from a recording. */
  readonly replay?: Replay;
}

const readings: Reading[] = [];
const read = new Map<string, string>();
/** The configs themselves, which count as the user's wherever they are. */
const entries = new Set<string>();

/**
 * Returns the modules read by relative or absolute path, those of earlier readings included: their paths, and the
 * {@link fileState} of each from just before it was first read.
 */
export function modulesRead(): ReadonlyMap<string, string> {
  return read;
}

/** Imports the module at a URL and all that it imports by path afresh, and records them. */
export async function readModules(url: URL, recorder: Recorder): Promise<unknown> {
  return await importAfresh(url, { recorder });
}

/**
 * Imports the module at a URL and all that it imports by path from a recording. A module it lacks comes from the
 * disk; `onUnrecorded` is called once with its path.
 */
export async function replayModules(
  url: URL,
  recording: ConfigRecording,
  onUnrecorded: (path: string) => void,
): Promise<unknown> {
  return await importAfresh(url, { replay: new Replay(recording, onUnrecorded) });
}

/** The first reading uses the plain URLs: nothing is cached yet. */
async function importAfresh(url: URL, reading: Reading): Promise<unknown> {
  const number = readings.push(reading) - 1;
  if (number === 0) registerHooks({ resolve, load });
  // Node keeps CommonJS modules by path, marked or not.
  for (const path of number === 0 ? [] : read.keys()) delete commonJsCache[path];
  return await import(marked(url.href, number));
}

/** Looks modules and imports up in a recording. */
class Replay {
  private readonly modules: ReadonlyMap<string, RecordedModule>;
  private readonly imports: ReadonlyMap<string, string>;
  private readonly onUnrecorded: (path: string) => void;
  private readonly told = new Set<string>();

  constructor(recording: ConfigRecording, onUnrecorded: (path: string) => void) {
    this.modules = new Map(recording.modules.map(module => [module.url, module]));
    this.imports = new Map(recording.imports);
    this.onUnrecorded = onUnrecorded;
  }

  module(url: string): RecordedModule | undefined {
    return this.modules.get(url);
  }

  /** The module that an import leads to; undefined when it is not recorded. */
  resolve(request: string, specifier: string, parent: string | undefined): RecordedModule | undefined {
    const url =
      this.imports.get(request) ?? (isPath(specifier) ? URL.parse(specifier, parent)?.href : undefined);
    return url === undefined ? undefined : this.modules.get(url);
  }

  /** Reports an unrecorded import of a recorded module; the imports of an unrecorded one are not reported. */
  unrecorded(url: string, parent: string | undefined): void {
    if (parent === undefined || !this.modules.has(parent)) return;
    const path = fileURLToPath(url);
    if (this.told.has(path)) return;
    this.told.add(path);
    this.onUnrecorded(path);
  }
}

const resolve: Hooks['resolve'] = (specifier, context, nextResolve) => {
  const number = readingOf(specifier) ?? readingOf(context.parentURL);
  const { recorder, replay } = readings[number ?? readings.length - 1] ?? {};
  const asked = withoutMarks(specifier);
  const parent = context.parentURL === undefined ? undefined : withoutMarks(context.parentURL);
  const how = context.conditions?.includes('require') ? 'require' : 'import';
  const request = `${how} ${asked} from ${parent}`;
  const recorded = replay?.resolve(request, asked, parent);
  if (recorded !== undefined) {
    const { url, format } = recorded;
    return { url: marked(url, number ?? 0), format, shortCircuit: true };
  }
  const resolved = nextResolve(specifier, context);
  const url =
    how === 'import' ? asOfNow(asked, parent, withoutMarks(resolved.url)) : withoutMarks(resolved.url);
  if (parent === import.meta.url && url.startsWith('file:')) entries.add(url);
  if (!isUsers(url)) return resolved;
  const path = fileURLToPath(url);
  if (!read.has(path)) read.set(path, fileState(path));
  recorder?.resolved(request, url);
  replay?.unrecorded(url, parent);
  const again = { ...resolved, url: marked(url, number ?? 0) };
  // `npm init` writes "type": "commonjs", which is not meant for a config that says `import`.
  return new URL(url).pathname.endsWith('.ts') ? { ...again, format: 'module-typescript' } : again;
};

const load: Hooks['load'] = (url, context, nextLoad) => {
  const plain = withoutMarks(url);
  if (!isUsers(plain)) return nextLoad(url, context);
  const { recorder, replay } = readings[readingOf(url) ?? readings.length - 1] ?? {};
  const recorded = replay?.module(plain);
  if (recorded !== undefined) {
    return { format: recorded.format, source: sourceOf(recorded), shortCircuit: true };
  }
  const loaded = nextLoad(url, context);
  recorder?.read(plain, loaded.format ?? context.format ?? undefined, loaded.source);
  return loaded;
};

/** Node remembers where a symbolic link led, which may be to the previous release. */
function asOfNow(specifier: string, parent: string | undefined, resolved: string): string {
  const named = isPath(specifier) ? URL.parse(specifier, parent) : null;
  if (named === null || named.href === resolved) return resolved;
  const real = pathToFileURL(realpathSync(named));
  real.search = named.search;
  real.hash = named.hash;
  return real.href;
}

/** The number of the reading in a URL's mark. */
function readingOf(url: string | undefined): number | undefined {
  const number = url?.includes('weldr-reading=') ? [...url.matchAll(mark)][0]?.[1] : undefined;
  return number === undefined ? undefined : Number(number);
}

function marked(url: string, number: number): string {
  if (number === 0) return url;
  const withMark = new URL(url);
  withMark.search += `${withMark.search === '' ? '?' : '&'}weldr-reading=${number}`;
  return withMark.href;
}

function isPath(specifier: string): boolean {
  return /^(\.{0,2}\/|file:)/.test(specifier);
}

function isUsers(url: string): boolean {
  if (!url.startsWith('file:')) return false;
  if (entries.has(url)) return true;
  return !url.includes('/node_modules/') && !isOwnModule(url);
}
