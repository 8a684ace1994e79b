// Plugins in JSON and YAML: their forms, and the places in the file that errors name.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { builtInPlugins } from '../../config/built-in-plugins.ts';
import { checkConfig } from '../../core/config/config.ts';
import { definePlugin, withId } from '../../core/plugin/define-plugin.ts';
import type { PluginCatalogue } from '../../core/plugin/plugin-form.ts';
import { instantiate } from '../../core/plugin/plugin-lists.ts';
import { when } from '../../core/plugin/when.ts';
import { suite } from '../support/suite.ts';
import { configErrorOf } from '../support/weldr-error.ts';

const test = suite('plugin forms');

const catalogue = await builtInPlugins();

const check = (config: object) => checkConfig({ plugins: [], ...config }, {}, catalogue);
const namesOf = (config: object) => check(config).plugins.map(({ name }) => name);

test('a plugin is a name, or a name with options, which YAML may leave null', () => {
  const { plugins } = check({ plugins: ['roundRobin', { stats: { interval: '1s' } }, { retry: null }] });
  assert.equal(
    plugins.map(({ name }) => name),
    ['round-robin', 'stats', 'retry'],
  );
  assert.equal(plugins[1]?.options, { interval: 1000 });
});

test('an id next to the name makes a second instance, as withId does', () => {
  const bursts = { rateLimit: { rate: 5 }, id: 'bursts' };
  assert.equal(namesOf({ plugins: ['rateLimit', bursts] }), ['rate-limit', 'rate-limit#bursts']);
  const inCode = [catalogue['rateLimit']?.(), withId('bursts', catalogue['rateLimit']?.() ?? { name: '' })];
  assert.equal(
    instantiate({ plugins: inCode }).map(({ name }) => name),
    ['rate-limit', 'rate-limit#bursts'],
  );
});

test('when takes a matcher and plugins, in these forms or by names of define', () => {
  const inner = ['slow', { when: { match: { method: 'POST' }, plugins: ['ipFilter'] } }];
  const { plugins } = check({
    plugins: ['roundRobin', { when: { match: { path: '/login' }, plugins: inner } }],
    define: { slow: { rateLimit: { rate: 1 } } },
  });
  assert.equal(
    plugins.map(({ name, conditions }) => [name, conditions.length]),
    [
      ['round-robin', 0],
      ['when(path=/login)', 0],
      ['when:path=/login/rate-limit', 1],
      ['when:path=/login/when(method=POST)', 1],
      ['when:path=/login/when:method=POST/ip-filter', 2],
    ],
  );
});

test('pools list names of define, names of plugins and forms', () => {
  const names = namesOf({
    define: { slow: { rateLimit: { rate: 1 } } },
    pools: { api: { servers: ['http://a'], plugins: ['slow', 'roundRobin', { stats: {} }] }, plain: [] },
  });
  assert.equal(names, ['pool:api/rate-limit', 'pool:api/round-robin', 'pool:api/stats']);
});

const wrong: Record<string, [config: object, message: string]> = {
  'an option of a plugin': [
    { plugins: ['roundRobin', { stats: { interval: 'soon' } }] },
    'plugins[1].stats.interval: expected a duration such as "30s", got "soon"',
  ],
  'a misspelt option': [
    { plugins: [{ stats: { intervall: '1s' } }] },
    'plugins[0].stats.intervall: there is no such option; did you mean interval?',
  ],
  'an option that is missing': [
    { plugins: ['floatingIp'] },
    'plugins[0].floatingIp.interface: expected string, got nothing',
  ],
  'an option within when': [
    {
      plugins: [
        'retry',
        'stats',
        { when: { match: { path: '/a' }, plugins: [{ rateLimit: { rate: 'x' } }] } },
      ],
    },
    'plugins[2].when.plugins[0].rateLimit.rate: expected number, got "x"',
  ],
  'a matcher': [
    { plugins: [{ when: { match: { path: 'login' }, plugins: [] } }] },
    'plugins[0].when.match.path: ',
  ],
  'a matcher within a matcher': [
    { plugins: [{ when: { match: { not: { methd: 'GET' } }, plugins: [] } }] },
    'plugins[0].when.match.not.methd: there is no such option; did you mean method?',
  ],
  'a misspelt key of when': [
    { plugins: [{ when: { mach: {}, plugins: [] } }] },
    'plugins[0].when.mach: there is no such option; did you mean match?',
  ],
  'a misspelt plugin within when': [
    { plugins: [{ when: { match: { path: '/a' }, plugins: ['stat'] } }] },
    'plugins[0].when.plugins[0]: there is no plugin "stat"; did you mean "stats"?',
  ],
  'the inner name of a plugin': [
    { plugins: ['round-robin'] },
    'plugins[0]: there is no plugin "round-robin"; did you mean "roundRobin"?',
  ],
  'an option in define': [{ define: { auth: { rateLimit: { rate: 0 } } } }, 'define.auth.rateLimit.rate: '],
  'an option in define of a plugin that a pool names': [
    { define: { auth: { rateLimit: { rat: 1 } } }, pools: { api: { plugins: ['auth'] } } },
    'define.auth.rateLimit.rat: there is no such option; did you mean rate?',
  ],
  'an option within when in define, which nothing names': [
    { define: { auth: { when: { match: { path: '/a' }, plugins: [{ retry: { attempts: 0 } }] } } } },
    'define.auth.when.plugins[0].retry.attempts: ',
  ],
  'an option in a pool': [
    { pools: { api: { plugins: [{ stats: { interval: 1 } }] } } },
    'pools.api.plugins[0].stats.interval: an interval is at least 10ms',
  ],
  'a misspelt name of define': [
    { define: { auth: 'stats' }, pools: { api: { plugins: ['auht'] } } },
    'pools.api.plugins[0]: there is no plugin "auht"; did you mean "auth"?',
  ],
  'a misspelt key of a pool': [
    { pools: { api: { fallbak: 'default' } } },
    'pools.api.fallbak: there is no such option; did you mean fallback?',
  ],
  'a misspelt setting': [{ lisen: ':80' }, 'lisen: there is no such option; did you mean listen?'],
  'a misspelt setting of a group': [
    { timeouts: { conect: '1s' } },
    'timeouts.conect: there is no such option; did you mean connect?',
  ],
  'plugins that are misspelt, with the other settings': [
    { plugins: undefined, plugin: [] },
    'plugin: there is no such option; did you mean plugins?',
  ],
  'a name of define among the plugins of all': [
    { plugins: ['auth'], define: { auth: 'stats' } },
    'plugins[0]: "auth" is a name of define, which is for pools and routes; write the plugin itself here',
  ],
  'a name of define that is a plugin of Weldr': [
    { define: { stats: 'retry' } },
    'define.stats: this is the name of a plugin of Weldr; choose another',
  ],
  'define in a circle': [
    {
      define: {
        a: { when: { match: { path: '/a' }, plugins: ['b'] } },
        b: { when: { match: { path: '/b' }, plugins: ['a'] } },
      },
      pools: { api: { plugins: ['a'] } },
    },
    'define.b.when.plugins[0]: forms a cycle: a -> b -> a',
  ],
  'two plugins in one item': [
    { plugins: [{ stats: {}, retry: {} }] },
    'plugins[0]: expected a plugin\'s name or {"name": {…options}}, got ',
  ],
  'an object that only looks like a plugin': [
    { plugins: [{ name: 'stats' }] },
    'plugins[0]: there is no plugin "name"; ',
  ],
  'an id that is no text': [{ plugins: [{ stats: {}, id: 7 }] }, 'plugins[0].id: expected text, got 7'],
  'a second plugin of one name without an id': [
    { plugins: ['rateLimit', { rateLimit: { rate: 1 } }] },
    'plugins[1]: plugins[0] is named rate-limit already',
  ],
};

for (const [what, [config, message]] of Object.entries(wrong)) {
  test(`an error names the place of ${what}`, () => {
    assert.match(
      configErrorOf(() => check(config)),
      message,
    );
  });
}

test('mistakes in settings are reported all at once, with those in the list of plugins', () => {
  const lines = configErrorOf(() => checkConfig({ lisen: 1, trace: 'no' }, {}, catalogue)).split('\n');
  assert.equal(lines.map(line => line.split(':')[0]).sort(), ['lisen', 'plugins', 'trace']);
});

// --- once ---------------------------------------------------------------------------------------------------------

/** A plugin which counts how often its options are parsed. */
function counting() {
  let parsed = 0;
  const schema = z.strictObject({
    rate: z.number().transform(rate => {
      parsed++;
      return rate * 2;
    }),
  });
  const counted = definePlugin({ name: 'counted', schema, worker() {} });
  return { counted, parsed: () => parsed };
}

test('options are parsed once, however many lists name the plugin', () => {
  const { counted, parsed } = counting();
  const catalogueOfOne: PluginCatalogue = {
    counted: Object.assign((o?: unknown) => counted(Object(o)), counted),
  };
  const instances = instantiate({
    catalogue: catalogueOfOne,
    plugins: [{ when: { match: { path: '/a' }, plugins: ['slow'] } }],
    define: { slow: { counted: { rate: 4 } } },
    pools: { a: ['slow'], b: ['slow'] },
  });
  assert.is(parsed(), 1);
  assert.equal(
    instances.filter(({ plugin }) => plugin.name === 'counted').map(({ options }) => options),
    [{ rate: 8 }, { rate: 8 }, { rate: 8 }],
  );
});

test('options of plugins made in code are parsed once', () => {
  const { counted, parsed } = counting();
  const slow = counted({ rate: 4 });
  instantiate({
    plugins: [when({ path: '/a' }, slow)],
    define: { slow, unused: when({ path: '/b' }, slow) },
    pools: { a: ['slow'], b: [slow] },
  });
  assert.is(parsed(), 1);
});

test('errors of options in code name define and the lists of pools', () => {
  const { counted } = counting();
  const bad = () => counted({ rate: Number.NaN });
  const message = (lists: object) => configErrorOf(() => instantiate({ plugins: [], ...lists }));
  assert.match(message({ define: { auth: bad() } }), /^define\.auth\.rate: /);
  assert.match(
    message({ define: { auth: when({ path: '/a' }, bad()) } }),
    /^define\.auth\.plugins\[0\]\.rate: /,
  );
  assert.match(message({ pools: { api: [bad()] } }), /^pools\.api\.plugins\[0\]\.rate: /);
  assert.match(message({ plugins: [when({ path: '/a' }, bad())] }), /^plugins\[0\]\.plugins\[0\]\.rate: /);
});
