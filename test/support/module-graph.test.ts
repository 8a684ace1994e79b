import * as assert from 'uvu/assert';
import { findCycles, type ModuleGraph, readImports } from './module-graph.ts';
import { suite } from './suite.ts';

const test = suite('module graph');

const targets = (source: string): string[] =>
  readImports('core/http/a.ts', source).map(found => found.target);

function graph(edges: Record<string, readonly string[]>, typeOnly = false): ModuleGraph {
  return new Map(
    Object.entries(edges).map(([path, to]) => [path, to.map(target => ({ target, typeOnly, names: [] }))]),
  );
}

test('resolves relative imports from the root of the project', () => {
  assert.equal(targets("import { b } from './b.ts';\nimport c from '../c.ts';\n"), [
    'core/http/b.ts',
    'core/c.ts',
  ]);
});

test('keeps the names of packages and of built-in modules', () => {
  assert.equal(targets("import net from 'node:net';\nimport { z } from 'zod';\n"), ['node:net', 'zod']);
});

test('finds an import over several lines', () => {
  assert.equal(targets("import {\n  a,\n  type B,\n} from './b.ts';\n"), ['core/http/b.ts']);
});

test('finds re-exports', () => {
  assert.equal(targets("export * from './b.ts';\nexport { c } from './c.ts';\n"), [
    'core/http/b.ts',
    'core/http/c.ts',
  ]);
});

test('finds an import for its side effects', () => {
  assert.equal(targets("import './b.ts';\n"), ['core/http/b.ts']);
});

test('finds dynamic imports, requires, and types imported in place', () => {
  assert.equal(targets("const b = await import('./b.ts');\n"), ['core/http/b.ts']);
  assert.equal(targets("  const c = require('c');\n"), ['c']);
  assert.equal(targets("type D = import('d').D;\n"), ['d']);
});

test('finds no import in a comment', () => {
  assert.equal(
    targets("// import b from './b.ts';\n/**\n * import c from './c.ts';\n * await import('d')\n */\n"),
    [],
  );
});

test('does not count an export without a source', () => {
  assert.equal(targets("export const a = 'x';\nexport { a as b };\nconst from = 'y';\n"), []);
});

test('distinguishes imports of types from those that exist at run time', () => {
  const source = "import type { B } from 'b';\nexport type { C } from 'c';\nimport { type D } from 'd';\n";
  assert.equal(readImports('a.ts', source), [
    { target: 'b', typeOnly: true, names: ['B'] },
    { target: 'c', typeOnly: true, names: ['C'] },
    { target: 'd', typeOnly: false, names: ['type D'] },
  ]);
});

test('returns the imported names', () => {
  const source =
    "import {\n  b,\n  c as d,\n} from 'b';\nimport e from 'e';\nimport f, { g } from 'f';\nimport * as h from 'h';\n";
  assert.equal(
    readImports('a.ts', source).map(({ names }) => names),
    [['b', 'c as d'], [], [], []],
  );
});

test('finds a cycle', () => {
  assert.equal(findCycles(graph({ 'a.ts': ['b.ts'], 'b.ts': ['c.ts', 'z'], 'c.ts': ['b.ts'] })), [
    'b.ts -> c.ts -> b.ts',
  ]);
});

test('finds a module that imports itself', () => {
  assert.equal(findCycles(graph({ 'a.ts': ['a.ts'] })), ['a.ts -> a.ts']);
});

test('does not count a diamond as a cycle', () => {
  assert.equal(
    findCycles(graph({ 'a.ts': ['b.ts', 'c.ts'], 'b.ts': ['d.ts'], 'c.ts': ['d.ts'], 'd.ts': [] })),
    [],
  );
});

test('does not count a cycle of types, unless all imports count', () => {
  const types = graph({ 'a.ts': ['b.ts'], 'b.ts': ['a.ts'] }, true);
  assert.equal(findCycles(types), []);
  assert.equal(findCycles(types, 'all'), ['a.ts -> b.ts -> a.ts']);
});
