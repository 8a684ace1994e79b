// Warnings about a config: only what is surely a mistake, each in one sentence with its place and the remedy.
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { checkConfig } from '../../../core/config/config.ts';
import { warningsOf } from '../../../core/config/warnings.ts';
import { type JsonSchema, toJsonSchema } from '../../../core/options/json-schema.ts';
import { when } from '../../../core/plugin/when.ts';
import { settingsSchema } from '../../../core/settings/settings.ts';
import { adminApi, healthCheck, roundRobin, routes } from '../../../plugins/index.ts';
import { certificate } from '../../support/certificate.ts';
import { suite } from '../../support/suite.ts';

const test = suite('warnings of a config');

const warnings = (fields: object): string[] => {
  const config = { plugins: [roundRobin()], ...fields };
  return warningsOf(checkConfig(config), config);
};
const server = (fields: object) => ({ servers: [{ url: 'https://10.0.0.7', ...fields }] });

const odd: Readonly<Record<string, [config: object, said: readonly string[]]>> = {
  'a server that is this Weldr itself': [
    { listen: ':8081', servers: ['http://127.0.0.1:8081', 'http://localhost:8081', 'http://10.9.9.9:8081'] },
    [
      'servers[0].url: http://127.0.0.1:8081 is this Weldr itself, which listens on 0.0.0.0:8081; requests for it get 508',
      'servers[1].url: http://localhost:8081 is this Weldr itself, which listens on 0.0.0.0:8081; requests for it get 508',
    ],
  ],
  'a server on this Weldr’s own unix socket': [
    { listen: 'unix:/run/a.sock', pools: { api: ['unix:/run/a.sock', 'unix:/run/b.sock'] } },
    [
      'pools.api.servers[0].url: unix:/run/a.sock is this Weldr itself, which listens on unix:/run/a.sock; requests for it get 508',
    ],
  ],
  'a server that is this Weldr’s own admin API': [
    { plugins: [roundRobin(), adminApi()], servers: ['http://127.0.0.1:8687'] },
    [
      'servers[0].url: http://127.0.0.1:8687 is this Weldr itself, which listens on 127.0.0.1:8687; requests for it get 508',
    ],
  ],
  'unchecked certificates of a server': [
    server({ tls: { verify: false } }),
    [
      'servers[0].tls.verify: without it, anyone on the network path can pose as https://10.0.0.7; name its authority in tls.ca instead',
    ],
  ],
  'unchecked certificates of a whole pool': [
    { pools: { api: { servers: ['https://10.0.0.7'], tls: { verify: false } } } },
    [
      'pools.api.tls.verify: without it, anyone on the network path can pose as the servers of pool api; name its authority in tls.ca instead',
    ],
  ],
  'a pool of backups': [
    server({ backup: true }),
    [
      'servers: all servers of pool default are backups, which only step in for others; remove backup from those that are not',
    ],
  ],
  'a zone without servers': [
    { zone: 'eu-1a', servers: [{ url: 'http://10.0.0.7', zone: 'eu1a' }, 'http://10.0.0.8'] },
    [
      'servers: no server of pool default is in zone eu-1a, where this Weldr is, so all of them get its requests; did you mean eu1a?',
    ],
  ],
  'fewer connections than workers': [
    { workers: 4, servers: [{ url: 'http://10.0.0.7', maxConnections: 3 }] },
    ['servers[0].maxConnections: there may be 4, one from each worker; set workers to 3 for 3 in all'],
  ],
  'a pool without an active server': [
    {
      servers: [
        { url: 'http://10.0.0.7', state: 'disabled' },
        { url: 'http://10.0.0.8', state: 'draining' },
      ],
    },
    ['servers: no server of pool default has state "active", so none gets new requests'],
  ],
  'every client as a trusted proxy': [
    { forwarded: { trusted: ['10.0.0.0/8', '0.0.0.0/0', '::/0'] } },
    [
      'forwarded.trusted[1]: 0.0.0.0/0 lets every client say what its address is; name the proxies in front',
      'forwarded.trusted[2]: ::/0 lets every client say what its address is; name the proxies in front',
    ],
  ],
  'forwarded certificates that no listener asks for': [
    { forwarded: { clientCertificate: true } },
    [
      'forwarded.clientCertificate: no listener asks for certificates of clients; give one of them tls.clientAuth',
    ],
  ],
  'the PROXY protocol together with HTTP/2': [
    {
      pools: {
        api: {
          servers: ['https://a.example', { url: 'https://b.example', http2: false }],
          http2: true,
          proxyProtocol: 'v2',
        },
      },
    },
    [
      'pools.api.servers[0]: https://a.example gets HTTP/1.1, because the PROXY protocol does not work with HTTP/2; leave one of them out',
    ],
  ],
  'all clients, or none, as proxies that introduce clients': [
    {
      listen: [
        { address: ':1', proxyProtocol: { trusted: ['0.0.0.0/0'] } },
        { address: ':2', proxyProtocol: { trusted: ['unix:'] } },
        { address: 'unix:/run/a.sock', proxyProtocol: { trusted: ['10.0.0.0/8'] } },
        { address: 'unix:/run/b.sock', proxyProtocol: { trusted: ['10.0.0.0/8', 'unix:'] } },
      ],
    },
    [
      'listen[0].proxyProtocol.trusted[0]: 0.0.0.0/0 lets every client say what its address is; name the proxies in front',
      'listen[1].proxyProtocol.trusted: no client of 0.0.0.0:2 is among them, so all are refused; name the addresses of the proxies in front',
      'listen[2].proxyProtocol.trusted: no client of unix:/run/a.sock is among them, so all are refused; write "unix:"',
    ],
  ],
  'plain HTTP to the port of HTTPS, and the other way round': [
    { servers: ['http://a.example:443', 'https://b.example:80'] },
    [
      'servers[0].url: http://a.example:443 is plain HTTP to the port of HTTPS; write https://a.example',
      'servers[1].url: https://b.example:80 is HTTPS to the port of plain HTTP; write http://b.example, or the right port',
    ],
  ],
  'settings of health checks without a plugin that checks': [
    server({ healthCheck: { path: '/up' } }),
    ['servers[0].healthCheck: no plugin checks health, so this does nothing; add healthCheck() to plugins'],
  ],
  'checks that may take longer than their interval': [
    {
      plugins: [roundRobin(), healthCheck({ interval: '1s', timeout: '5s' })],
      ...server({ healthCheck: { interval: 100, timeout: 200 } }),
    },
    [
      'servers[0].healthCheck.timeout: a check may take 200 ms, but the next is due after 100 ms; make timeout shorter than interval',
      'plugins[1].timeout: a check may take 5000 ms, but the next is due after 1000 ms; make timeout shorter than interval',
    ],
  ],
  'durations without a unit that are surely seconds': [
    {
      drainTimeout: 30,
      timeouts: { connect: 5, response: '5ms', body: 50, idle: 0 },
      servers: ['http://10.0.0.7', { url: 'http://10.0.0.8', healthCheck: { interval: 10 } }],
      pools: {
        api: {
          servers: [{ url: 'http://10.0.0.9', healthCheck: { timeout: 1 } }],
          timeouts: { response: 10 },
          healthCheck: { timeout: 49 },
        },
        web: [{ url: 'http://10.0.0.10', healthCheck: { timeout: 2 } }],
      },
      plugins: [
        roundRobin(),
        healthCheck({ interval: 30, timeout: '20ms' }),
        routes([{ name: 'slow', path: '/slow', pool: 'api', timeouts: { response: 20 } }]),
      ],
    },
    [
      "drainTimeout: 30 is 30 ms; write '30s' for seconds, or '30ms' if that is meant",
      "timeouts.connect: 5 is 5 ms; write '5s' for seconds, or '5ms' if that is meant",
      "servers[1].healthCheck.interval: 10 is 10 ms; write '10s' for seconds, or '10ms' if that is meant",
      "pools.api.timeouts.response: 10 is 10 ms; write '10s' for seconds, or '10ms' if that is meant",
      "pools.api.healthCheck.timeout: 49 is 49 ms; write '49s' for seconds, or '49ms' if that is meant",
      "pools.api.servers[0].healthCheck.timeout: 1 is 1 ms; write '1s' for seconds, or '1ms' if that is meant",
      "pools.web.servers[0].healthCheck.timeout: 2 is 2 ms; write '2s' for seconds, or '2ms' if that is meant",
      "plugins[1].interval: 30 is 30 ms; write '30s' for seconds, or '30ms' if that is meant",
      "plugins[2].routes[0].timeouts.response: 20 is 20 ms; write '20s' for seconds, or '20ms' if that is meant",
    ],
  ],
  'a when without plugins': [
    { plugins: [roundRobin(), when({ path: '/x' })] },
    ['plugins[1]: when(path=/x) has no plugins, so it does nothing; list some after its matcher'],
  ],
  'a token that crosses the network in plain text': [
    { plugins: [roundRobin(), adminApi({ listen: '0.0.0.0:8687', token: '0123456789abcdef' })] },
    [
      'plugins[1].listen: callers send the token to 0.0.0.0:8687 in plain text; set adminApi({ tls }), or listen on 127.0.0.1',
    ],
  ],
};

for (const [what, [config, said]] of Object.entries(odd)) {
  test(`name ${what}`, () => assert.equal(warnings(config), said));
}

const fine: Readonly<Record<string, object>> = {
  'a plain config': { servers: ['http://10.0.0.7:3000'] },
  'a server of another machine on the same port': { listen: ':3000', servers: ['http://10.9.9.9:3000'] },
  'a server next to this Weldr’s own address': {
    listen: '127.0.0.1:3000',
    servers: ['http://127.0.0.2:3000'],
  },
  'a free port': { listen: ':0', servers: ['http://10.0.0.7'] },
  'one backup': { servers: ['http://10.0.0.7', { url: 'http://10.0.0.8', backup: true }] },
  'an empty pool': { pools: { api: [] } },
  'a certificate that is valid': server({ tls: { ca: certificate } }),
  'an admin API on this machine': {
    plugins: [roundRobin(), adminApi({ listen: '127.0.0.1:8687', token: '0123456789abcdef' })],
  },
};

for (const [what, config] of Object.entries(fine)) {
  test(`do not name ${what}`, () => assert.equal(warnings(config), []));
}

type Path = readonly (string | number)[];

/** Yields where a value of a schema may have durations; the keys of a record are "some". */
function* durationsIn(schema: unknown, path: Path = []): Generator<Path> {
  const whole: JsonSchema = Object(schema);
  const { examples, $ref, properties = {}, additionalProperties, items, anyOf = [] } = whole;
  if (Array.isArray(examples) && examples[0] === '30s') yield path;
  if ($ref === '#/$defs/server') yield* durationsIn(allSettings.$defs?.['server'], path);
  for (const [name, one] of Object.entries(properties)) yield* durationsIn(one, [...path, name]);
  if (additionalProperties) yield* durationsIn(additionalProperties, [...path, 'some']);
  if (items) yield* durationsIn(items, [...path, 0]);
  for (const one of anyOf) yield* durationsIn(one, path);
}

const allSettings = toJsonSchema(settingsSchema);

/** Returns settings with this value at a path, and what else they need. */
const settingsWith = (path: Path, value: unknown): object =>
  Object(
    path.reduceRight(
      (inner, part) =>
        typeof part === 'string' ? { [part]: inner } : [{ url: 'http://10.0.0.7', ...Object(inner) }],
      value,
    ),
  );

test('name a bare duration in every setting that is one', () => {
  const all = new Map([...durationsIn(allSettings)].map(path => [path.join('.'), path]));
  for (const known of ['timeouts.connect', 'pools.some.servers.0.healthCheck.timeout'])
    assert.ok(all.has(known));
  const unnamed = [...all].filter(([, path]) => {
    // A ttl of less than a second is refused.
    if (path.at(-1) === 'ttl') return false;
    return !warnings(settingsWith(path, 30)).some(text =>
      text.includes(`${path.at(-1)}: 30 is 30 ms; write '30s'`),
    );
  });
  assert.equal(
    unnamed.map(([name]) => name),
    [],
  );
});

test('name a file with a secret that every user can read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-secret-'));
  const path = join(folder, 'token');
  writeFileSync(path, '0123456789abcdef\n');
  const plugins = [roundRobin(), adminApi({ token: `file:${path}` })];
  try {
    chmodSync(path, 0o644);
    assert.equal(warnings({ plugins }), [
      `plugins[1].token: ${path} can be read by every user of this machine: run chmod o= on it`,
    ]);
    chmodSync(path, 0o640);
    assert.equal(warnings({ plugins }), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('number 20 at most, and say how many more there are', () => {
  const servers = Array.from({ length: 50 }, (_, i) => ({
    url: `https://10.0.0.${i}`,
    tls: { verify: false },
  }));
  const said = warnings({ servers });
  assert.is(said.length, 21);
  assert.is(said.at(-1), '30 more of this kind');
});
