// The build: the command, the modules that run as separate processes and threads, and the package's exports, as one bundle
// in chunks. `tsc` makes the types.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChunkingContext, defineConfig, type Plugin } from 'rolldown';

export default defineConfig({
  input: {
    'bin/weldr': 'bin/weldr.ts',
    // Beside the chunks: core/process/sibling-module.ts looks for them there.
    worker: 'bin/worker.ts',
    'socket-opener': 'core/process/socket-opener.ts',
    'stack-watch-thread': 'core/process/stack-watch-thread.ts',
    'holder-process': 'plugins/floating-ip/holder-process.ts',
    'password-thread': 'plugins/basic-auth/password-thread.ts',
    index: 'config/index.ts',
    plugins: 'plugins/index.ts',
    testing: 'core/testing.ts',
  },
  platform: 'node',
  logLevel: 'warn',
  // etcd3 reads files from its package, and a process must have only one copy of OpenTelemetry. Only two plugins load them.
  external: ['etcd3', /^@opentelemetry\//],
  transform: { target: 'node22' },
  plugins: [withoutForge()],
  output: {
    dir: 'dist',
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    comments: { legal: true, annotation: false, jsdoc: false },
    codeSplitting: {
      groups: [{ name: chunkOf, debugName: 'processes' }],
    },
    plugins: [builtins(), latin(), thirdParty()],
  },
});

/** The modules that each process always loads: they are bundled into as few chunks as possible. Rolldown splits the rest. */
const loadedBy = {
  command: ['bin/run.ts', 'bin/start.ts'],
  opener: ['core/process/socket-opener.ts'],
  manager: ['bin/manager-start.ts', 'plugins/index.ts', 'config/index.ts'],
  worker: ['bin/worker.ts', 'plugins/index.ts', 'config/index.ts'],
  // The manager too, once there is a server to check.
  checks: ['plugins/health-check/http-check.ts'],
  // The manager, if it has an admin API.
  admin: ['plugins/admin-api/admin-server.ts'],
};

const closures = new Map<string, ReadonlySet<string>>();

/** The chunk of a module: by the processes that load it. */
function chunkOf(module: string, graph: ChunkingContext): string | undefined {
  const isLoadedBy = (process: keyof typeof loadedBy): boolean => {
    let closure = closures.get(process);
    if (closure === undefined) {
      closure = closureOf(
        loadedBy[process].map(path => join(import.meta.dirname, path)),
        graph,
      );
      closures.set(process, closure);
    }
    return closure.has(module);
  };
  if (
    graph.getModuleInfo(module)?.isEntry === true ||
    module.startsWith(join(import.meta.dirname, 'plugins/'))
  )
    return undefined;
  if (isLoadedBy('opener')) return 'base';
  if (isLoadedBy('command')) return isLoadedBy('worker') ? 'base' : undefined;
  if (isLoadedBy('worker')) {
    if (isLoadedBy('manager') || isLoadedBy('admin')) return 'core';
    return isLoadedBy('checks') ? 'upstream' : 'worker';
  }
  return isLoadedBy('manager') ? 'manager' : undefined;
}

/** The modules, and all that they import statically. */
function closureOf(modules: readonly string[], graph: ChunkingContext): ReadonlySet<string> {
  const found = new Set(modules);
  for (const module of found)
    for (const imported of graph.getModuleInfo(module)?.importedIds ?? []) found.add(imported);
  return found;
}

/**
 * Replaces imports of Node's own modules: an `import` reads all exports, even those that Node loads only when they are read.
 * For `node:http` that is all of undici, for `node:crypto` WebCrypto.
 */
function builtins(): Plugin {
  const statement = /^import (?:(\w+)|\* as (\w+)|(?:(\w+), )?(\{[^}]*\})) from "(node:[\w/]+)";$/gm;
  return {
    name: 'builtins',
    renderChunk(code) {
      const taken = code.replace(statement, (...[, whole, namespace, both, names, module]: string[]) => {
        const from = `process.getBuiltinModule("${module}")`;
        const parts = [whole ?? namespace ?? both, names?.replaceAll(' as ', ': ')].filter(
          part => part !== undefined,
        );
        return parts.map(part => `const ${part} = ${from};`).join('\n');
      });
      if (/^import [^;]*["']node:/m.test(taken)) throw new Error('there is an import of another form');
      return taken;
    },
  };
}

/** Leaves out cryptography in JavaScript that acme-client keeps for its older users, half a megabyte. */
function withoutForge(): Plugin {
  return {
    name: 'without-forge',
    load: {
      filter: { id: /[/]acme-client[/]src[/]crypto[/]forge[.]js$/ },
      handler: () => 'module.exports = {};',
    },
  };
}

/** Escapes characters beyond Latin-1: a single one doubles the memory that V8 needs for the text of a chunk. */
function latin(): Plugin {
  return {
    name: 'latin',
    // After all other steps, which would write the characters unescaped.
    generateBundle(_options, bundle) {
      for (const output of Object.values(bundle)) {
        if (output.type !== 'chunk') continue;
        output.code = output.code.replace(
          /[^\0-\xff]/g,
          character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
        );
      }
    },
  };
}

/** The packages in the dashboard's page, which Vite builds. */
const inPage = ['@preact/signals', '@preact/signals-core', 'preact', 'uplot'];

/** Lists the bundled packages with their licences. */
function thirdParty(): Plugin {
  return {
    name: 'third-party',
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const output of Object.values(bundle)) {
        if (output.type !== 'chunk') continue;
        for (const [module, { renderedLength }] of Object.entries(output.modules)) {
          const folder = /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(module.replace(/^\0/, ''))?.[0];
          if (folder !== undefined && renderedLength > 0) folders.add(folder);
        }
      }
      for (const name of inPage) folders.add(join(import.meta.dirname, 'node_modules', name));
      const source = [...folders].sort().map(noticeOf).join('\n');
      this.emitFile({ type: 'asset', fileName: 'THIRD-PARTY.txt', source });
    },
  };
}

function noticeOf(folder: string): string {
  const manifest: { name: string; version: string; license?: string; repository?: string | { url: string } } =
    JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const { name, version, license, repository } = manifest;
  if (license === undefined) throw new Error(`${name} names no licence: it must not be bundled`);
  const file = readdirSync(folder).find(entry => /^licen[cs]e/i.test(entry));
  const from = typeof repository === 'string' ? repository : repository?.url;
  // Some packages leave their text in the repository.
  const text = file === undefined ? `See ${from}` : readFileSync(join(folder, file), 'utf8').trim();
  return `=== ${name} ${version}, ${license}\n\n${text}\n`;
}
