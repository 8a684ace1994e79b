// Two versions of Weldr at one etcd: each reads what the other writes, and keeps what it does not know. One node after
// another is upgraded, and nothing that was acknowledged is lost.
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { EtcdCluster } from '../../cluster/etcd-cluster.ts';
import {
  installedCommand,
  type PackageVersion,
  VersionPackages,
  whyNoEarlierVersion,
} from '../../cluster/version-package.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { makeFolder, startWeldr, type TestWeldr } from '../../support/weldr.ts';
import { missing, testWithEtcd } from './etcd-tests.ts';

const test = suite('two versions at one etcd', { timeoutMs: 180_000, testTimeoutMs: 170_000 });
const reason = missing ?? whyNoEarlierVersion();

const serversBody = z.object({
  servers: z.array(z.looseObject({ url: z.string(), weight: z.number() })),
});
const clusterBody = z.looseObject({
  leader: z.string().nullable(),
  members: z.array(z.looseObject({ node: z.string(), version: z.string() })),
  damagedKeys: z.array(z.string()),
});
const rangeBody = z.object({ kvs: z.array(z.object({ value: z.string() })).default([]) });

/** A node that is stopped, replaced by another version, and started again. */
class UpgradedNode {
  readonly name: string;
  version: PackageVersion;
  weldr: TestWeldr | undefined;
  private readonly packages: VersionPackages;
  private readonly hosts: readonly string[];
  private readonly folder = makeFolder();
  private port = 0;

  constructor(name: string, packages: VersionPackages, version: PackageVersion, hosts: readonly string[]) {
    this.name = name;
    this.packages = packages;
    this.version = version;
    this.hosts = hosts;
  }

  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    this.packages.install(this.version, this.folder);
    const config = `import { defineConfig } from 'weldr';
import { adminApi, etcd, roundRobin } from 'weldr/plugins';
export default defineConfig({
  listen: '127.0.0.1:0',
  workers: 1,
  servers: ['http://127.0.0.1:1'],
  plugins: [
    roundRobin(),
    etcd({ hosts: ${JSON.stringify(this.hosts)}, nodeName: '${this.name}' }),
    adminApi({ listen: '127.0.0.1:${this.port}' }),
  ],
});
`;
    this.weldr = await startWeldr({ config, folder: this.folder, command: installedCommand(this.folder) });
  }

  async end(): Promise<void> {
    await this.weldr?.kill({ keep: true });
    rmSync(this.folder, { recursive: true, force: true });
  }

  async upgrade(): Promise<void> {
    await this.weldr?.stop({ keep: true });
    this.version = 'later';
    await this.start();
  }

  /** The status; 0: no answer. */
  async call(method: string, path: string, body?: unknown): Promise<number> {
    const url = `http://127.0.0.1:${this.port}${path}`;
    const answer = await fetch(url, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }).catch(() => undefined);
    await answer?.arrayBuffer();
    return answer?.status ?? 0;
  }

  hasLogged(text: string): boolean {
    return this.weldr?.logs.some(({ msg }) => msg.includes(text)) ?? false;
  }

  async read<T>(schema: z.ZodType<T>, path: string): Promise<T> {
    return schema.parse(await (await fetch(`http://127.0.0.1:${this.port}${path}`)).json());
  }

  /** Weights by URL. */
  async pool(): Promise<Record<string, number>> {
    const { servers } = await this.read(serversBody, '/servers');
    return Object.fromEntries(servers.map(({ url, weight }) => [url, weight]));
  }
}

/** The gateway of etcd. */
async function etcdCall(host: string, path: string, body: Record<string, string>): Promise<unknown> {
  const encoded = Object.fromEntries(
    Object.entries(body).map(([name, text]) => [name, Buffer.from(text).toString('base64')]),
  );
  return await (
    await fetch(`${host}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(encoded) })
  ).json();
}

async function storedAt(host: string, key: string): Promise<unknown> {
  const [found] = rangeBody.parse(await etcdCall(host, 'range', { key })).kvs;
  return found === undefined ? undefined : JSON.parse(Buffer.from(found.value, 'base64').toString());
}

const pathOf = (port: number): string => `/servers/127.0.0.1/${port}`;
const urlOf = (port: number): string => `http://127.0.0.1:${port}`;

async function withBoth(
  body: (a: UpgradedNode, b: UpgradedNode, host: string) => Promise<void>,
): Promise<void> {
  const packages = new VersionPackages();
  const etcd = await EtcdCluster.start();
  const a = new UpgradedNode('a', packages, 'earlier', etcd.hosts);
  const b = new UpgradedNode('b', packages, 'later', etcd.hosts);
  try {
    await a.start();
    await b.start();
    await until('both take part', async () => (await b.read(clusterBody, '/cluster')).members.length === 2);
    await body(a, b, etcd.hosts[0] ?? '');
  } finally {
    for (const node of [a, b]) await node.end();
    await etcd.close();
    packages.remove();
  }
}

function both(behaviour: string, body: Parameters<typeof withBoth>[0]): void {
  testWithEtcd(test, behaviour, async () => await withBoth(body), reason);
}

both('each reads what the other writes, and keeps what it does not know', async (a, b, host) => {
  assert.equal(
    (await b.read(clusterBody, '/cluster')).members.map(({ node, version }) => [node, version]),
    [
      ['a', '0.0.1'],
      ['b', '0.0.2'],
    ],
  );
  for (const [writer, reader, port] of [
    [a, b, 1001],
    [b, a, 1002],
  ] as const) {
    assert.is(await writer.call('POST', '/servers', { url: urlOf(port), weight: 2 }), 201);
    await until('the other has it', async () => (await reader.pool())[urlOf(port)] === 2);
    assert.is(await reader.call('PATCH', pathOf(port), { weight: 5 }), 200);
    await until('its change is there', async () => (await writer.pool())[urlOf(port)] === 5);
    assert.is(await writer.call('PATCH', pathOf(1), { weight: port - 990 }), 200);
    await until(
      'a change of what the config lists',
      async () => (await reader.pool())[urlOf(1)] === port - 990,
    );
  }
  const key = `/weldr/v2/server/${encodeURIComponent(`default/${urlOf(1001)}`)}`;
  const row = z.looseObject({ value: z.looseObject({}) }).parse(await storedAt(host, key));
  const later = { ...row, later: { by: 'a later version' }, value: { ...row.value, shade: 'blue' } };
  await etcdCall(host, 'put', { key, value: JSON.stringify(later) });
  const unknown = { op: 'define', value: { depth: 3 }, by: 'a later version', at: 1 };
  await etcdCall(host, 'put', { key: '/weldr/v2/hologram/x', value: JSON.stringify(unknown) });
  const strange = '/weldr/v2/server/strange';
  await etcdCall(host, 'put', { key: strange, value: JSON.stringify({ ...unknown, op: 'blend' }) });
  for (const [weight, node] of [
    [7, a],
    [8, b],
  ] as const) {
    await until('it logs what it does not know', async () => {
      const { damagedKeys } = await node.read(clusterBody, '/cluster');
      return damagedKeys.join() === strange;
    });
    assert.ok(node.hasLogged('shade is not known to this version: it is kept'), node.name);
    assert.is(await node.call('PATCH', pathOf(1001), { weight }), 200);
    const { value, ...rest } = z.looseObject({ value: z.looseObject({}) }).parse(await storedAt(host, key));
    assert.equal([rest['later'], value['shade'], value['weight']], [later.later, 'blue', weight], node.name);
  }
  // Earlier versions do not log it.
  assert.ok(b.hasLogged('knows a hologram'));
  assert.equal(await storedAt(host, '/weldr/v2/hologram/x'), unknown);
});

both(
  'one node after another is upgraded while the pool changes, and no acknowledged change is lost',
  async (a, b) => {
    b.version = 'earlier';
    await b.weldr?.stop({ keep: true });
    await b.start();
    const expected = new Map<string, number | undefined>();
    let acknowledged = 0;
    let ended = false;
    const churn = (async () => {
      for (let turn = 0; !ended; turn++) {
        const node = turn % 2 === 0 ? a : b;
        const port = 2000 + (turn % 10);
        const url = urlOf(port);
        const adds = turn % 20 < 10;
        const weight = 1 + (turn % 100);
        // Until its answer is there, nothing is certain.
        expected.delete(url);
        const status = adds
          ? await node.call('POST', '/servers', { url, weight })
          : await node.call('DELETE', `${pathOf(port)}?force`);
        if (status === (adds ? 201 : 204) || (!adds && status === 200)) {
          acknowledged++;
          expected.set(url, adds ? weight : undefined);
        }
        await sleep(20);
      }
    })();
    for (const node of [b, a]) {
      await sleep(500);
      await node.upgrade();
      const { leader } = await node.read(clusterBody, '/cluster');
      assert.is.not(leader, node.name, 'the other node leads, or none yet');
    }
    await sleep(500);
    ended = true;
    await churn;
    assert.ok(acknowledged > 20, `${acknowledged} changes`);
    for (const node of [a, b]) {
      await until('it agrees', async () => {
        const pool = await node.pool();
        return [...expected].every(([url, weight]) => pool[url] === weight);
      });
      const { members, damagedKeys } = await node.read(clusterBody, '/cluster');
      assert.equal(
        members.map(({ version }) => version),
        ['0.0.2', '0.0.2'],
      );
      assert.equal(damagedKeys, []);
    }
  },
);
