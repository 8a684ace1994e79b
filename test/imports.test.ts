// Checks the direction of imports: `bin -> config -> core`, `plugins -> core`. Each rule is first tried on an import
// that breaks it, then applied to the project's modules.
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { findCycles, readModules } from './support/module-graph.ts';
import { suite } from './support/suite.ts';

const test = suite('imports');

const project = fileURLToPath(new URL('..', import.meta.url));
const modules = readModules(project, ['bin', 'config', 'core', 'plugins']);
const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));

/** Says whether the module at `from` may import `names` (none: all) of `to`, a path or another module's name. */
type Rule = (from: string, to: string, names: readonly string[]) => boolean;

/** Not installed by `npm install weldr`: only Weldr itself needs them, and the build bundles them. */
const bundled = [
  'acme-client',
  'bcryptjs',
  'cosmiconfig',
  'jose',
  'js-yaml',
  'pino-pretty',
  'polka',
  'prom-client',
  'sade',
  'undici',
];

const isOurs = (path: string): boolean => path.endsWith('.ts');
const folderOf = (path: string): string => path.split('/')[0] ?? path;
const pluginOf = (path: string): string | undefined => /^plugins\/([^/]+)\//.exec(path)?.[1];

/** The folders that each folder may import from, besides itself. */
const below: Record<string, readonly string[]> = {
  bin: ['config', 'core'],
  config: ['core'],
  plugins: ['core'],
  core: [],
};

/** The folders of core, from the bottom up: each imports from those before it. */
const coreFolders = [
  ...[
    'package',
    'time',
    'bounded',
    'errors',
    'options',
    'network',
    'grammar',
    'state',
    'certificates',
    'pool',
  ],
  ...['request', 'events', 'stages', 'explain', 'settings', 'log', 'plugin', 'config', 'http', 'process'],
  'testing',
];
const floorOf = (path: string): number => coreFolders.indexOf(/^core\/([^/.]+)/.exec(path)?.[1] ?? '');

/** Of `core/http/`: accept, exchange, h1, h2, upstream. */
const partOf = (path: string): string | undefined => /^core\/http\/([^/]+)\//.exec(path)?.[1];

/** What every part of `core/http/` may build on: the interfaces between the parts, and modules that know no part. */
const isGround = (path: string): boolean =>
  /^core\/http\/exchange\/(?:streams|connections|deadlines|copy-buffers|empty-body|grammar|field-names|field-notes|grpc-request|head-limits|http-date|target|reset|trailers|upload-pace|upload-rate)\.ts$/.test(
    path,
  );

/** What else the parts of `core/http/` may import from each other. */
const parts: Record<string, RegExp> = {
  accept: /^core\/http\/(?:h1|h2|exchange|upstream)\//,
  h1: /^core\/http\/(?:exchange\/wire\.ts$|upstream\/)/,
  h2: /^core\/http\/(?:exchange\/wire\.ts$|upstream\/)/,
  exchange: /^core\/http\/upstream\//,
  upstream: /^$/,
};

const rules: Record<string, { rule: Rule; breaks: readonly [from: string, to: string][] }> = {
  'run from bin to config to core, and from plugins to core': {
    rule: (from, to) =>
      !isOurs(to) ||
      folderOf(from) === folderOf(to) ||
      below[folderOf(from)]?.includes(folderOf(to)) === true,
    breaks: [
      ['core/pool/pool.ts', 'plugins/stats/index.ts'],
      ['core/pool/pool.ts', 'config/index.ts'],
      ['config/index.ts', 'plugins/index.ts'],
      ['plugins/stats/index.ts', 'config/index.ts'],
      ['bin/weldr.ts', 'plugins/index.ts'],
      ['core/pool/pool.ts', 'test/support/suite.ts'],
    ],
  },
  'run from the upper folders of core to the lower ones': {
    rule: (from, to) => folderOf(from) !== 'core' || folderOf(to) !== 'core' || floorOf(to) <= floorOf(from),
    breaks: [
      ['core/pool/pool.ts', 'core/request/headers.ts'],
      ['core/errors.ts', 'core/options/options.ts'],
      ['core/explain/trace.ts', 'core/http/exchange/streams.ts'],
      ['core/process/manager.ts', 'core/testing.ts'],
    ],
  },
  'never lead from one plugin to another': {
    rule: (from, to) =>
      from === 'plugins/index.ts' || pluginOf(to) === undefined || pluginOf(from) === pluginOf(to),
    breaks: [
      ['plugins/stats/index.ts', 'plugins/admin-api/index.ts'],
      ['plugins/other.ts', 'plugins/stats/index.ts'],
    ],
  },
  'never lead from a plugin to the list of all plugins': {
    rule: (from, to) => to !== 'plugins/index.ts' || folderOf(from) !== 'plugins',
    breaks: [['plugins/stats/index.ts', 'plugins/index.ts']],
  },
  'never name the package itself': {
    rule: (_from, to) => to !== 'weldr' && !to.startsWith('weldr/'),
    breaks: [['plugins/stats/index.ts', 'weldr/testing']],
  },
  "never reach into another module's private files": {
    rule: (_from, to) =>
      isOurs(to) || !/^(?:node:)?_|^(?:node:)?internal\/|\/(?:lib|src|dist|build)(?:\/|$)/.test(to),
    breaks: [
      ['core/http/accept/listener.ts', '_http_server'],
      ['core/http/accept/listener.ts', 'node:_http_common'],
      ['core/http/upstreams.ts', 'undici/lib/core/util.js'],
    ],
  },
  'open sockets in core/http and core/process only, within core': {
    rule: (from, to, names) =>
      !/^(?:node:)?(?:net|tls|http|https|http2|dgram)$/.test(to) ||
      !/^core\/(?!http\/|process\/)/.test(from) ||
      (names.length > 0 && names.every(name => /^(?:isIP|isIPv4|isIPv6|BlockList)$/.test(name))),
    breaks: [
      ['core/request/pipeline.ts', 'node:http'],
      ['core/pool/pool.ts', 'net'],
    ],
  },
  'run from accept to h1 and h2 to the exchange to upstream, within core/http': {
    rule: (from, to) => {
      const [part, other] = [partOf(from), partOf(to)];
      if (part === undefined || other === undefined || isGround(to)) return true;
      return !isGround(from) && (part === other || parts[part]?.test(to) === true);
    },
    breaks: [
      ['core/http/exchange/exchange.ts', 'core/http/h1/head-writer.ts'],
      ['core/http/exchange/wire.ts', 'core/http/accept/listener.ts'],
      ['core/http/exchange/streams.ts', 'core/http/exchange/exchange.ts'],
      ['core/http/exchange/streams.ts', 'core/http/upstream/connection-cache.ts'],
      ['core/http/h1/client-connection.ts', 'core/http/accept/listener.ts'],
      ['core/http/h1/client-stream.ts', 'core/http/exchange/exchange.ts'],
      ['core/http/upstream/connection-cache.ts', 'core/http/exchange/exchange.ts'],
      ['core/http/upstream/connection-cache.ts', 'core/http/h1/upstream-connection.ts'],
      ['core/http/h2/frames.ts', 'core/http/h1/head-writer.ts'],
      ['core/http/h1/head-writer.ts', 'core/http/h2/frames.ts'],
      ['core/http/h2/frames.ts', 'core/http/accept/listener.ts'],
      ['core/http/h2/frames.ts', 'core/http/exchange/exchange.ts'],
      ['core/http/upstream/connection-cache.ts', 'core/http/h2/frames.ts'],
    ],
  },
  'take the context and the pipeline of a request into the exchange only, within core/http': {
    rule: (from, to) =>
      !/^core\/request\/(?:context|pipeline)\.ts$/.test(to) ||
      partOf(from) === undefined ||
      partOf(from) === 'exchange',
    breaks: [
      ['core/http/h1/head-writer.ts', 'core/request/context.ts'],
      ['core/http/accept/listener.ts', 'core/request/pipeline.ts'],
    ],
  },
  'name built-in modules with the prefix node:': {
    rule: (_from, to) => !isBuiltin(to) || to.startsWith('node:'),
    breaks: [['core/pool/pool.ts', 'fs']],
  },
  'name only packages that are installed with this one or bundled': {
    rule: (from, to) => {
      // The demo belongs to a checkout, and is no part of the package.
      if (from === 'bin/demo.ts' && to === 'selfsigned') return true;
      const name = to.split('/', to.startsWith('@') ? 2 : 1).join('/');
      // Users of tracing install them, and only the plugin loads them.
      if (name in listed('peerDependencies')) return pluginOf(from) === 'tracing';
      return isOurs(to) || isBuiltin(to) || name in listed('dependencies') || bundled.includes(name);
    },
    breaks: [
      ['core/testing.ts', 'uvu/assert'],
      ['plugins/request-id/index.ts', '@opentelemetry/api'],
      ['core/pool/pool.ts', '@types/node'],
    ],
  },
};

function listed(kind: 'dependencies' | 'peerDependencies'): object {
  assert.ok(typeof manifest === 'object' && manifest !== null && kind in manifest);
  const packages: unknown = Reflect.get(manifest, kind);
  assert.ok(typeof packages === 'object' && packages !== null);
  return packages;
}

for (const [name, { rule, breaks }] of Object.entries(rules)) {
  test(name, () => {
    for (const [from, to] of breaks) assert.not.ok(rule(from, to, []), `the rule lets ${from} import ${to}`);
    const broken: string[] = [];
    for (const [from, imports] of modules) {
      for (const { target, names } of imports)
        if (!rule(from, target, names)) broken.push(`${from} imports ${target}`);
    }
    assert.is(broken.join('\n'), '');
  });
}

test('lead to modules that exist', () => {
  const missing = [...modules].flatMap(([from, imports]) =>
    imports
      .filter(({ target }) => isOurs(target) && !modules.has(target))
      .map(({ target }) => `${from}: ${target}`),
  );
  assert.is(missing.join('\n'), '');
});

test('form no circle', () => {
  assert.is(findCycles(modules).join('\n'), '');
});

test('form no circle of types within core either', () => {
  const core = new Map([...modules].filter(([path]) => folderOf(path) === 'core'));
  assert.is(findCycles(core, 'all').join('\n'), '');
});

test("do not use Node's internal bindings", () => {
  const bound = [...modules.keys()].filter(path =>
    /\bprocess\s*(?:\.|\[['"])\s*_?(?:binding|linkedBinding)/.test(
      readFileSync(`${project}/${path}`, 'utf8'),
    ),
  );
  assert.equal(bound, []);
});

test('name every folder of core', () => {
  const unnamed = [...modules.keys()].filter(path => folderOf(path) === 'core' && floorOf(path) < 0);
  assert.equal(unnamed, []);
});

test('are found in every folder', () => {
  for (const folder of Object.keys(below)) {
    const edges = [...modules]
      .filter(([path]) => folderOf(path) === folder)
      .flatMap(([, imports]) => imports);
    assert.ok(edges.length > 0, `no import was found in ${folder}/`);
  }
});
