// Changed tests: finds the test files that a change affects: those that import a changed file, those whose place mirrors it, and
// those of pages. Backs `npm test -- --changed`.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { type Import, type ModuleGraph, readModules } from './module-graph.ts';

const folders = ['benchmark', 'bin', 'config', 'core', 'plugins', 'test'];

/**
 * Returns the paths, from the project's root, that differ from a revision, committed or not.
 * @throws Error if git has no such revision
 */
export function changedPaths(project: string, revision: string): string[] {
  const git = (...args: string[]): string[] =>
    execFileSync('git', args, { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      .split('\0')
      .filter(path => path !== '');
  const base = git('merge-base', revision, 'HEAD').join('').trim();
  return [
    ...git('diff', '--name-only', '-z', '--relative', base),
    ...git('ls-files', '--others', '--exclude-standard', '-z'),
  ];
}

/** Exports all plugins. A change of a plugin only affects importers that use it. */
const list = 'plugins/index.ts';

/**
 * Returns the test files that these paths affect, sorted. A test that starts the command loads everything, so of those only the
 * ones beside the change count: `test/plugins/jwt/*` for `plugins/jwt/*`, `test/process/*` for `core/process/*`.
 */
export function testsOf(project: string, paths: readonly string[]): string[] {
  const graph = readModules(project, folders);
  const reached = importersOf(graph, new Set(paths));
  const mirrored = new Set(paths.flatMap(mirrors));
  const pages = new Set(paths.flatMap(pageTests));
  return [...graph.keys()]
    .filter(path => path.endsWith('.test.ts'))
    .filter(
      path =>
        reached.has(path) ||
        mirrored.has(posix.dirname(path)) ||
        pages.has(path) ||
        names(project, path, paths),
    )
    .sort();
}

/** Returns the modules, and all modules that import one of them, directly or not. */
function importersOf(graph: ModuleGraph, modules: ReadonlySet<string>): ReadonlySet<string> {
  const reached = new Set(modules);
  for (let before = -1; before < reached.size; ) {
    before = reached.size;
    const listed = namesIn(graph, reached);
    for (const [path, imports] of graph) {
      if (path === list) continue;
      const isReached = ({ target, typeOnly, names }: Import): boolean => {
        if (typeOnly) return false;
        if (target !== list) return reached.has(target);
        return names.length === 0 ? listed.size > 0 : names.some(name => listed.has(name));
      };
      if (imports.some(isReached)) reached.add(path);
    }
  }
  return reached;
}

/** Returns the names that the list of plugins exports from these modules. */
function namesIn(graph: ModuleGraph, modules: ReadonlySet<string>): ReadonlySet<string> {
  const imports = graph.get(list) ?? [];
  return new Set(imports.filter(({ target }) => modules.has(target)).flatMap(({ names }) => names));
}

/** Returns the tests that a page affects, and those of the examples if the list of plugins changes. */
function pageTests(path: string): string[] {
  const examples = ['test/docs/readmes.test.ts', 'test/core/config/config-json-schema.test.ts'];
  if (path === list) return examples;
  if (!path.endsWith('.md')) return [];
  const [folder, name = ''] = path.split('/');
  return [
    'test/docs/links.test.ts',
    'test/docs/index.test.ts',
    ...(folder === 'docs' ? [`test/docs/${name.replace('.md', '.test.ts')}`] : []),
    ...(folder === 'docs' || folder === 'plugins' ? examples : []),
  ];
}

/** Returns whether a test names one of the pages of `docs/`, and so reads it. */
function names(project: string, test: string, paths: readonly string[]): boolean {
  const pages = paths.filter(path => /^docs\/[^/]+\.md$/.test(path));
  if (pages.length === 0) return false;
  const source = readFileSync(join(project, test), 'utf8');
  return pages.some(page => source.includes(page));
}

/** Returns the folders of tests for the folder of a module, a plugin or a document. */
function mirrors(path: string): string[] {
  if (/^docs\/[^/]+\.md$/.test(path)) return [];
  const folder = posix.dirname(path);
  const [top = '', second = ''] = folder.split('/');
  if (top === 'core') return [`test/${folder}`, `test/${second}`];
  if (['benchmark', 'bin', 'config', 'docs', 'packaging', 'plugins'].includes(top)) return [`test/${folder}`];
  return [];
}
