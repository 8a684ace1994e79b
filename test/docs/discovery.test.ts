// docs/discovery.md and the READMEs of the discovery plugins: defaults, files, labels.
import { readFileSync } from 'node:fs';
import { load } from 'js-yaml';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { guardOptions } from '../../core/pool/source-guard.ts';
import { managerSide } from '../../core/testing.ts';
import { containerServer, readContainer } from '../../plugins/docker-discovery/container-server.ts';
import { readServerList } from '../../plugins/file-discovery/server-list.ts';
import { dnsDiscovery, dockerDiscovery, fileDiscovery } from '../../plugins/index.ts';
import { withApi } from '../plugins/admin-api/api.ts';
import { codeBlocks } from '../support/doc-blocks.ts';
import { suite } from '../support/suite.ts';

const test = suite('docs/discovery.md');

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** Returns the first two columns of a page's tables, without backticks. */
function rows(page: string): Map<string, string> {
  const found = [...page.matchAll(/^\| `([^|]+)` \|([^|]*)\|/gm)];
  return new Map(found.map(([, name = '', value = '']) => [name, value.trim().replaceAll('`', '')]));
}

test('has the defaults of the guard, which each plugin shares', () => {
  const defaults = z.strictObject(guardOptions).parse({});
  const page = rows(read('docs/discovery.md'));
  for (const [name, value] of Object.entries(defaults)) assert.is(page.get(name), String(value), name);
  for (const { schema } of [dnsDiscovery, dockerDiscovery, fileDiscovery]) {
    assert.ok(schema);
    for (const name of Object.keys(guardOptions)) assert.ok(name in schema.shape, name);
  }
  const summary = Object.values(defaults)
    .map(value => `\`${value}\``)
    .join(', ');
  for (const name of ['dns', 'file', 'docker']) {
    assert.ok(read(`plugins/${name}-discovery/README.md`).includes(summary), name);
  }
});

test('has the defaults of the options of each plugin', () => {
  const cases = [
    ['dns', dnsDiscovery.schema?.parse({ name: 'a.test', port: 80 })],
    ['file', fileDiscovery.schema?.parse({ path: 'a' })],
    ['docker', dockerDiscovery.schema?.parse({})],
  ] as const;
  const units: Readonly<Record<string, number>> = { s: 1000, mb: 1024 ** 2 };
  for (const [name, parsed = {}] of cases) {
    const page = rows(read(`plugins/${name}-discovery/README.md`));
    for (const [option, value] of Object.entries(parsed)) {
      const said = page.get(option);
      if (option in guardOptions || option === 'path' || option === 'port' || said === '') continue;
      const [, number, unit = ''] = /^'(\d+)(s|mb)'$/.exec(said ?? '') ?? [];
      if (number !== undefined) assert.is(value, Number(number) * (units[unit] ?? 0), `${name} ${option}`);
      else if (option === 'ttl') assert.is(said, "{ min: '1s', max: '30s' }");
      else if (typeof value === 'string') assert.is(said, `'${value}'`, `${name} ${option}`);
      else assert.is(said, JSON.stringify(value), `${name} ${option}`);
    }
  }
});

test('shows files that are read as described', async () => {
  const readme = read('plugins/file-discovery/README.md');
  const files = [
    ...codeBlocks(readme, 'yaml').map(text => readServerList(text, { format: 'yaml', scheme: 'http' })),
    ...codeBlocks(readme, 'json').map(text => readServerList(text, { format: 'json', scheme: 'http' })),
  ];
  assert.equal(
    files.map(({ servers }) => servers.length),
    [2, 3],
  );
  const side = await managerSide([]);
  const source = side.pools.discovered.claim('docs', { instance: 'test' });
  for (const { servers } of files) source.replace('default', servers);
  const labels = [...side.pools.list('default')].map(({ upstream }) => upstream.labels);
  assert.equal(labels, [{ zone: 'a' }, { zone: 'a' }, { zone: 'b' }]);
  await side.close();
});

test('shows a registration that is accepted, and expires', async () => {
  const [, body = ''] = / -d '(\{.*\})'/.exec(read('docs/discovery.md')) ?? [];
  await withApi({}, async ({ call, side }) => {
    assert.is((await call('POST', '/servers', JSON.parse(body))).status, 201);
    await side.clock.advanceAsync(29_000);
    assert.is([...side.pools.list('default')].length, 1);
    await side.clock.advanceAsync(2000);
    assert.is([...side.pools.list('default')].length, 0);
  });
});

test('has the labels of containers', () => {
  const readme = read('plugins/docker-discovery/README.md');
  const [yaml = ''] = codeBlocks(readme, 'yaml');
  const compose: unknown = load(yaml);
  const service = Reflect.get(Object(Reflect.get(Object(compose), 'services')), 'api');
  const values: Readonly<Record<string, string>> = {
    enable: 'true',
    pool: 'api',
    port: '3000',
    scheme: 'https',
    weight: '2',
    'max-connections': '40',
    zone: 'eu-1a',
    backup: 'true',
    network: 'web',
    'label.NAME': 'x',
  };
  const named = [...rows(readme).keys()].flatMap(name => (name.startsWith('weldr.') ? [name.slice(6)] : []));
  assert.equal(named, Object.keys(values));
  const all = Object.fromEntries(named.map(name => [`weldr.${name}`, values[name]]));
  for (const Labels of [all, Reflect.get(Object(service), 'labels')]) {
    const NetworkSettings = { Networks: { web: { IPAddress: '172.18.0.5' } } };
    const container = readContainer({ Id: 'c1', State: 'running', Labels, NetworkSettings });
    assert.ok(container);
    const defaults = {
      pool: 'default',
      pools: ['api'],
      only: undefined,
      network: undefined,
      hostAddress: '',
    };
    assert.is(containerServer(container, defaults)?.pool, 'api');
  }
});
