// Module graph: reads from the sources which module imports which, for the tests of the direction of imports.
import { globSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export interface Import {
  /** A path from the project's root for a relative import, else the specifier: `node:net`, `undici`. */
  readonly target: string;
  /** Whether type stripping removes it, so that it does not exist at run time. */
  readonly typeOnly: boolean;
  /** The imported names; empty for everything, or nothing. */
  readonly names: readonly string[];
}

/** The imports of each module, by its path from the project's root, with `/`. */
export type ModuleGraph = ReadonlyMap<string, readonly Import[]>;

// Biome's format puts statements at the start of a line, so one in a comment or a string does not match.
const STATEMENT = /^(?:import|export)\s+(type\s)?([^;'"]*?)\bfrom\s+['"]([^'"]+)['"]/gm;
const SIDE_EFFECT = /^import\s+['"]([^'"]+)['"]/gm;
const CALL = /^(?!\s*(?:\*|\/\/)).*?\b(?:import|require)\(\s*['"`]([^'"`]+)['"`]/gm;

/** Returns the imports of a module, given its path and source: statements, re-exports, `import()` and `require()`. */
export function readImports(path: string, source: string): Import[] {
  const found: Import[] = [];
  const add = (specifier = '', typeOnly = false, clause = ''): void => {
    const relative = specifier.startsWith('.');
    const target = relative ? posix.join(posix.dirname(path), specifier) : specifier;
    const names = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1]?.split(',') ?? [];
    found.push({ target, typeOnly, names: names.map(name => name.trim()).filter(name => name !== '') });
  };
  for (const [, type, clause, specifier] of source.matchAll(STATEMENT)) {
    add(specifier, type !== undefined, clause);
  }
  for (const [, specifier] of source.matchAll(SIDE_EFFECT)) add(specifier);
  for (const [, specifier] of source.matchAll(CALL)) add(specifier);
  return found;
}

/** Reads all modules below the given folders of the project. */
export function readModules(project: string, folders: readonly string[]): ModuleGraph {
  const paths = folders.flatMap(folder => globSync(`${folder}/**/*.ts`, { cwd: project })).sort();
  return new Map(paths.map(path => [path, readImports(path, readFileSync(join(project, path), 'utf8'))]));
}

/**
 * Returns cycles of imports, each as `a.ts -> b.ts -> a.ts`; at least one if any exist. `runTime`: only imports that exist at
 * run time; `all`: imports of types too.
 */
export function findCycles(graph: ModuleGraph, imports: 'runTime' | 'all' = 'runTime'): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path].join(' -> '));
    if (start >= 0 || done.has(path)) return;
    for (const { target, typeOnly } of graph.get(path) ?? []) {
      if (!typeOnly || imports === 'all') visit(target, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return cycles;
}
