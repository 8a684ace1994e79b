// The JSON schema of configs: it accepts what the check accepts, refuses what it refuses, and has what an editor shows.
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { defaultLoaders } from 'cosmiconfig';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { builtInPlugins } from '../../../config/built-in-plugins.ts';
import { loadConfig } from '../../../config/load.ts';
import { checkConfig } from '../../../core/config/config.ts';
import { configJsonSchema } from '../../../core/config/config-json-schema.ts';
import { WeldrError } from '../../../core/errors.ts';
import { duration } from '../../../core/options/duration.ts';
import { toJsonSchema } from '../../../core/options/json-schema.ts';
import { settingsSchema } from '../../../core/settings/settings.ts';
import { codeBlocks, DocFolder } from '../../support/doc-blocks.ts';
import { problemsOf } from '../../support/json-schema.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the JSON schema of configs');

const project = resolve(fileURLToPath(import.meta.url), '../../../..');
const catalogue = await builtInPlugins();
const schema = configJsonSchema(catalogue);
const folder = new DocFolder();
test.after(() => folder.remove());

function takenByCheck(config: unknown): boolean {
  try {
    checkConfig(config, {}, catalogue);
    return true;
  } catch (thrown) {
    if (thrown instanceof WeldrError && thrown.code === 'CONFIG_INVALID') return false;
    throw thrown;
  }
}

// --- what it takes ----------------------------------------------------------------------------------------------

const right: Record<string, unknown> = {
  'only plugins': { plugins: [] },
  'a plugin by its name and one with options': { plugins: ['roundRobin', { stats: { interval: '1s' } }] },
  'options that are null, as YAML has it': { plugins: [{ stats: null }] },
  'two plugins of one name': {
    plugins: [{ rateLimit: { rate: 5 } }, { rateLimit: { burst: 9 }, id: 'bursts' }],
  },
  when: { plugins: [{ when: { match: { path: '/login', method: ['POST'] }, plugins: ['rateLimit'] } }] },
  'when in when': {
    plugins: [
      {
        when: {
          match: {
            not: { clientIp: '10.0.0.0/8' },
            any: [{ host: 'a.example' }, { header: { 'X-A': true } }],
          },
          plugins: [{ when: { match: { path: '/a' }, plugins: [{ ipFilter: { deny: ['::/0'] } }] } }],
        },
      },
    ],
  },
  'define, and its names in pools': {
    plugins: ['roundRobin'],
    define: { slow: { rateLimit: { rate: 1 } }, some: 'ipFilter' },
    pools: { api: { servers: ['http://a'], plugins: ['slow', 'some', 'stats'] }, other: ['http://b'] },
  },
  'names of define within when': {
    plugins: [{ when: { match: { path: '/a' }, plugins: ['slow'] } }],
    define: { slow: { rateLimit: { rate: 1 } } },
  },
  'settings of all kinds': {
    plugins: [],
    listen: ['127.0.0.1:1', '[::1]:2', ':3'],
    workers: 4,
    servers: ['http://a:1', { url: 'https://b', weight: 2, tls: { verify: false }, ttl: '30s' }],
    timeouts: { connect: '250ms', response: 1500, body: '1.5m' },
    limits: { headers: '16kb', body: '1 GB' },
    forwarded: { trusted: ['10.0.0.0/8'], mode: 'remove' },
    drainTimeout: 0,
  },
};

for (const [what, config] of Object.entries(right)) {
  test(`accepts ${what}, and so does the check`, () => {
    assert.equal(problemsOf(schema, config), []);
    checkConfig(config, {}, catalogue);
  });
}

const wrong: Record<string, unknown> = {
  'no config': [],
  'no plugins': {},
  'a misspelt setting': { plugins: [], lisen: ':80' },
  'a misspelt setting of a group': { plugins: [], timeouts: { conect: '1s' } },
  'a misspelt plugin': { plugins: ['roundRobbin'] },
  'a misspelt plugin with options': { plugins: [{ roundRobbin: {} }] },
  'the inner name of a plugin': { plugins: ['round-robin'] },
  'an object that looks like a plugin in code': { plugins: [{ name: 'stats' }] },
  'a misspelt option': { plugins: [{ stats: { intervall: '1s' } }] },
  'a misspelt option in a pool': { plugins: [], pools: { a: { plugins: [{ stats: { intervall: '1s' } }] } } },
  'a misspelt option in define': { plugins: [], define: { a: { stats: { intervall: '1s' } } } },
  'a misspelt option in when': {
    plugins: [{ when: { match: { path: '/a' }, plugins: [{ stats: { intervall: '1s' } }] } }],
  },
  'two plugins in one item': { plugins: [{ stats: {}, retry: {} }] },
  'an id alone': { plugins: [{ id: 'x' }] },
  'an id that is not a string': { plugins: [{ stats: {}, id: 1 }] },
  'an empty item': { plugins: [{}] },
  'a number for a plugin': { plugins: [1] },
  'an invalid duration': { plugins: [{ stats: { interval: 'soon' } }] },
  'a duration without a unit': { plugins: [], drainTimeout: '30' },
  'a negative duration': { plugins: [], drainTimeout: -1 },
  'an invalid size': { plugins: [], limits: { headers: '16k' } },
  'a number out of range': { plugins: [{ retry: { attempts: 0 } }] },
  'a list for a number': { plugins: [{ retry: { attempts: [1] } }] },
  'a plugin without an option that it needs': { plugins: ['floatingIp'] },
  'a plugin with only some of the options that it needs': {
    plugins: [{ floatingIp: { interface: 'eth0' } }],
  },
  'a plugin without an option that it needs, as null': { plugins: [{ floatingIp: null }] },
  'options for a plugin without any': { plugins: [{ failOpen: { x: 1 } }] },
  'when without a matcher': { plugins: [{ when: { plugins: [] } }] },
  'when with an empty matcher': { plugins: [{ when: { match: {}, plugins: [] } }] },
  'when without plugins': { plugins: [{ when: { match: { path: '/a' } } }] },
  'a misspelt key of when': { plugins: [{ when: { mach: { path: '/a' }, plugins: [] } }] },
  'a misspelt key of a matcher': { plugins: [{ when: { match: { pth: '/a' }, plugins: [] } }] },
  'a name of define among the plugins of all': { plugins: ['slow'], define: { slow: 'rateLimit' } },
  "a plugin's name in define": { plugins: [], define: { stats: 'stats' } },
  'a name of define in define': { plugins: [], define: { a: 'stats', b: 'a' } },
  'a server that is not a URL': { plugins: [], servers: ['ftp://a'] },
  'a misspelt key of a server': { plugins: [], servers: [{ url: 'http://a', wieght: 1 }] },
  'a pool with a bad name': { plugins: [], pools: { 'a b': [] } },
  'a misspelt key of a pool': { plugins: [], pools: { a: { fallbak: 'b' } } },
  'an invalid address': { plugins: [], listen: 'here' },
  'an unknown level': { plugins: [], logLevel: 'loud' },
};

for (const [what, config] of Object.entries(wrong)) {
  test(`refuses ${what}, and so does the check`, () => {
    assert.is.not(problemsOf(schema, config).length, 0, 'the schema accepts it');
    assert.not.ok(takenByCheck(config), 'the check accepts it');
  });
}

// --- the examples of the documentation --------------------------------------------------------------------------

const documents = globSync(['README.md', 'DOCKER.md', 'docs/*.md', 'plugins/*/README.md'], {
  cwd: project,
}).sort();
const blocks = (language: string) =>
  documents.flatMap(document =>
    codeBlocks(readFileSync(join(project, document), 'utf8'), language).map((text, n) => ({
      title: `${document}, ${language} ${n + 1}`,
      text,
    })),
  );

/** The JSON form of a plugin from a config in code; undefined for one that is not Weldr's. */
function formOf(plugin: object): unknown {
  const { name, options }: { name?: unknown; options?: unknown } = plugin;
  const exported = Object.entries(catalogue).find(([, { pluginName }]) => pluginName === name)?.[0];
  if (exported === undefined) return undefined;
  return options === undefined ? exported : { [exported]: options };
}

interface PluginsOfConfig {
  readonly plugins: readonly object[];
  readonly pools?: Readonly<Record<string, object & { readonly plugins?: readonly (object | string)[] }>>;
}

/** A pool, with its plugins in JSON form. */
function poolForm(pool: object & { readonly plugins?: readonly (object | string)[] }): object {
  const { plugins } = pool;
  if (plugins === undefined) return pool;
  return { ...pool, plugins: plugins.map(one => (typeof one === 'string' ? one : formOf(one))) };
}

/** Routes take a regular expression as a text that begins with `~`. */
const expressionAsText = (_: string, value: unknown): unknown =>
  value instanceof RegExp ? `~${value.source}` : value;

const configs = blocks('ts').filter(
  ({ text }) => text.includes('export default defineConfig') && !/ from '\./.test(text),
);

for (const { title, text } of configs) {
  test(`accepts the config of ${title}, as JSON`, async () => {
    const path = folder.write(`${title}/weldr.config.ts`, text);
    const { default: config }: { default: PluginsOfConfig } = await import(pathToFileURL(path).href);
    const forms = config.plugins.map(formOf);
    const pools = Object.entries(config.pools ?? {}).map(([name, pool]) => [name, poolForm(pool)] as const);
    if (forms.includes(undefined)) return;
    const changed = { ...config, plugins: forms, ...(config.pools && { pools: Object.fromEntries(pools) }) };
    const data: unknown = JSON.parse(JSON.stringify(changed, expressionAsText));
    assert.equal(problemsOf(schema, data), []);
    checkConfig(data, {}, catalogue);
  });
}

const dataConfigs = [...blocks('json'), ...blocks('yaml')].filter(({ text }) =>
  /^ *"?plugins"?: *[[\n]/m.test(text),
);

for (const { title, text } of dataConfigs) {
  test(`takes ${title}`, async () => {
    // JSON is YAML.
    const data: unknown = defaultLoaders['.yaml']('weldr.config.yaml', text);
    assert.equal(problemsOf(schema, data), []);
    await loadConfig(folder.write(`${title}/weldr.config.yaml`, text), {});
  });
}

test('is tried on the documentation', () => {
  assert.ok(configs.length > 10, `${configs.length} configs in code`);
  assert.ok(dataConfigs.length >= 2, `${dataConfigs.length} configs as data`);
});

// --- what an editor shows ---------------------------------------------------------------------------------------

/** Every property of every object in it, with its path. */
function* propertiesOf(
  part: unknown,
  at: string,
): Generator<[at: string, property: Record<string, unknown>]> {
  if (typeof part !== 'object' || part === null) return;
  for (const [key, value] of Object.entries(part)) {
    if (key === 'properties') {
      for (const [name, property] of Object.entries(Object(value))) yield [`${at}.${name}`, Object(property)];
    }
    yield* propertiesOf(value, `${at}.${key}`);
  }
}

/** Its own description, or that of what it refers to or chooses from. */
function descriptionOf(property: Record<string, unknown>): unknown {
  const { description, $ref, anyOf } = property;
  if (description !== undefined) return description;
  if (typeof $ref === 'string') return descriptionOf(Object(schema.$defs)[$ref.replace('#/$defs/', '')]);
  return Array.isArray(anyOf) ? anyOf.map(choice => descriptionOf(choice)).find(Boolean) : undefined;
}

test('describes every setting, plugin and option', () => {
  const bare = [...propertiesOf(schema, '')].filter(
    ([, property]) => typeof descriptionOf(property) !== 'string',
  );
  assert.equal(
    bare.map(([at]) => at),
    [],
  );
});

function optionsOf(plugin: string): Record<string, Record<string, unknown>> {
  const property = Object(schema.$defs)['pluginWithOptions'].properties[plugin];
  return (property.anyOf?.[0] ?? property).properties;
}

test('has every plugin with every option, with the defaults as people write them', () => {
  for (const [name, { schema: options }] of Object.entries(catalogue)) {
    assert.ok(options instanceof z.ZodObject, `${name} has a schema`);
    assert.equal(Object.keys(optionsOf(name)), Object.keys(options.shape), name);
    for (const [key, option] of Object.entries(options.shape)) {
      checkDefault(`${name}.${key}`, option, optionsOf(name)[key]);
    }
  }
});

test('has every setting with its default', () => {
  for (const [name, setting] of Object.entries(settingsSchema.shape)) {
    checkDefault(name, setting, Object(schema.properties)[name]);
  }
  for (const group of ['timeouts', 'limits', 'forwarded'] as const) {
    for (const [name, setting] of Object.entries(settingsSchema.shape[group].unwrap().shape)) {
      checkDefault(`${group}.${name}`, setting, Object(schema.properties)[group].properties[name]);
    }
  }
});

/** Options whose default depends on the machine, which a published schema must not show. */
const machines: ReadonlySet<string> = new Set(['etcd.nodeName']);

function checkDefault(name: string, option: z.core.$ZodType, property: unknown): void {
  const left = z.safeParse(option, undefined);
  const { default: shown }: { default?: unknown } = Object(property);
  if (!left.success || left.data === undefined || machines.has(name)) {
    assert.is(shown, undefined, `${name} has no default to show`);
    return;
  }
  assert.is.not(shown, undefined, `the default of ${name} is not shown: prefault() instead of default()?`);
  assert.ok(isDeepStrictEqual(z.parse(option, shown), left.data), `${name} shows another default`);
}

test('uses draft 2020-12, and shows nothing about the machine that it was made on', () => {
  assert.is(schema.$schema, 'https://json-schema.org/draft/2020-12/schema');
  assert.not.match(JSON.stringify(schema), z.parse(z.string(), process.env['HOSTNAME'] ?? 'no such name'));
});

test('shows a duration as text or number, with pattern and example', () => {
  const { $schema, ...shown } = toJsonSchema(duration().prefault('5s').describe('A while.'));
  assert.equal(JSON.parse(JSON.stringify(shown)), {
    description: 'A while.',
    default: '5s',
    examples: ['30s'],
    type: ['string', 'integer'],
    pattern: '^\\s*(\\d+(?:\\.\\d+)?) ?([mM]?[sS]|[mMhHdD])\\s*$',
    minimum: 0,
    maximum: 2 ** 31 - 1,
  });
});

test('has no pattern that needs a flag, because JSON schema has none', () => {
  const check = (part: unknown): void => {
    if (typeof part !== 'object' || part === null) return;
    const { pattern }: { pattern?: unknown } = part;
    if (typeof pattern === 'string') new RegExp(pattern, 'u');
    for (const value of Object.values(part)) check(value);
  };
  check(schema);
  const flagged = z.string().regex(/^a$/i);
  assert.throws(() => toJsonSchema(flagged), /flag/);
});
