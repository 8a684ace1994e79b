// Access to etcd by TLS with client certificates, and with user and password.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { instantiate } from '../../../core/plugin/plugin-lists.ts';
import { etcd } from '../../../plugins/etcd/index.ts';
import { surrender } from '../../../plugins/floating-ip/surrender.ts';
import { EtcdCluster, freePorts } from '../../cluster/etcd-cluster.ts';
import { type ElectionNode, electionNode, server, storeNode } from '../../cluster/etcd-node.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { configErrorOf } from '../../support/weldr-error.ts';
import { missing, testWithEtcd } from './etcd-tests.ts';

const test = suite('access to etcd', { timeoutMs: 120_000 });
const reason = missing ?? whyNoOpenssl();
const directory = mkdtempSync(join(tmpdir(), 'weldr-access-'));
const file = (name: string) => join(directory, name);
const pem = (name: string) => readFileSync(file(name));

function whyNoOpenssl(): string | undefined {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'openssl is not installed';
  }
}

/** Some containers have no IPv6. */
const hasIpv6 = (networkInterfaces()['lo'] ?? []).some(({ family }) => family === 'IPv6');
const loopback = hasIpv6 ? '[::1]' : '127.0.0.1';

const withEtcd = (behaviour: string, body: () => Promise<void>) =>
  testWithEtcd(test, behaviour, body, reason);

test.after(() => rmSync(directory, { recursive: true, force: true }));

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
}

function makeCertificates(): void {
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test ca');
  for (const name of ['etcd', 'weldr']) {
    const names = [
      '-addext',
      'subjectAltName=IP:127.0.0.1,IP:::1,DNS:etcd.test',
      '-addext',
      'extendedKeyUsage=serverAuth,clientAuth',
    ];
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`, ...names);
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy'];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, '-days', '2', ...signed);
  }
}

/** What the holder process of floating-ip does for a manager that cannot. */
async function endsInItsPlace(candidate: ElectionNode): Promise<void> {
  const before = candidate.election.leadership;
  assert.ok(before.surrender !== undefined);
  assert.is(await surrender(before.surrender), undefined);
  await until('it is over', () =>
    candidate.lines.some(line => /the key was deleted|no longer ours/.test(line)),
  );
}

withEtcd(
  'a client certificate gives access to an etcd that asks for one, over IPv6; without it nothing is reached',
  async () => {
    makeCertificates();
    const [clientPort = 0, peerPort = 0] = await freePorts(2);
    const cluster = await EtcdCluster.start({
      scheme: 'https',
      places: [{ address: loopback, clientPort, peerPort }],
      args: [
        ...['--cert-file', file('etcd.pem'), '--key-file', file('etcd.key')],
        ...['--trusted-ca-file', file('ca.pem'), '--client-cert-auth'],
      ],
      ctl: ['--cacert', file('ca.pem'), '--cert', file('weldr.pem'), '--key', file('weldr.key')],
    });
    const access = {
      hosts: cluster.hosts,
      tls: { ca: pem('ca.pem'), cert: pem('weldr.pem'), key: pem('weldr.key'), servername: 'etcd.test' },
    };
    const node = await storeNode(access);
    const candidate = await electionNode('a', access);
    const stranger = await storeNode({ hosts: cluster.hosts, tls: { ca: pem('ca.pem') } }, { timeout: 500 });
    try {
      await until('it follows', () => !node.store.stale);
      await node.pools.add('default', server('http://127.0.0.1:9001'));
      await until('it leads', () => candidate.election.leadership.leading);
      assert.ok(stranger.store.stale);
      assert.equal(stranger.ids(), []);
      await endsInItsPlace(candidate);
    } finally {
      for (const one of [node, candidate, stranger]) await one.close();
      await cluster.close();
    }
  },
);

withEtcd(
  'a user with a password works, also after its token has expired; a wrong password is reported',
  async () => {
    const cluster = await EtcdCluster.start({ args: ['--auth-token-ttl', '2'] });
    const ctl = (...args: string[]) => assert.ok(cluster.ctl(args) !== undefined, args.join(' '));
    ctl('user', 'add', 'root:rootpw');
    ctl('user', 'add', 'weldr:secret');
    ctl('role', 'add', 'weldr');
    ctl('role', 'grant-permission', 'weldr', '--prefix=true', 'readwrite', '/weldr/');
    ctl('user', 'grant-role', 'weldr', 'weldr');
    ctl('user', 'grant-role', 'root', 'root');
    ctl('auth', 'enable');
    const access = { hosts: cluster.hosts, user: 'weldr', password: 'secret' };
    const node = await storeNode(access);
    const candidate = await electionNode('a', access);
    const stranger = await storeNode({ ...access, password: 'wrong' }, { timeout: 500 });
    try {
      await until('it follows', () => !node.store.stale);
      await until('it leads', () => candidate.election.leadership.leading);
      await node.pools.add('default', server('http://127.0.0.1:9001'));
      // Tokens of etcd end, also those of a client that is busy all the time.
      await sleep(4000);
      await node.pools.add('default', server('http://127.0.0.1:9002', { ttl: '5s' }));
      assert.ok(candidate.election.leadership.leading);
      await endsInItsPlace(candidate);
      assert.ok(stranger.store.stale);
      assert.ok(stranger.lines.some(line => /authentication failed|invalid user ID or password/.test(line)));
    } finally {
      for (const one of [node, candidate, stranger]) await one.close();
      await cluster.close();
    }
  },
);

test('invalid options are refused with their place', () => {
  const start = (input: Parameters<typeof etcd>[0]) => instantiate({ plugins: [etcd(input)] });
  const refusal = (input: Parameters<typeof etcd>[0]) => configErrorOf(() => start(input));
  assert.match(refusal({ hosts: ['127.0.0.1:2379'] }), 'plugins[0].hosts[0]: expected http://HOST:PORT');
  assert.match(
    refusal({ hosts: ['http://a:1', 'https://b:1'] }),
    'plugins[0].hosts: expected only http:// or only https://',
  );
  assert.match(refusal({ tls: { ca: 'ca.pem' } }), 'plugins[0].tls: tls is for https:// hosts');
  assert.match(
    refusal({ hosts: ['https://[::1]:2379'] }),
    'plugins[0].tls.servername: https:// hosts that are',
  );
  assert.match(refusal({ password: 'x' }), 'plugins[0].password: a password needs a user');
  assert.match(refusal({ prefix: 'weldr' }), 'plugins[0].prefix: expected a path such as "/weldr/"');
  assert.match(
    refusal({ lease: '2s', renew: '1s' }),
    'plugins[0].renew: expected a quarter of the lease or less',
  );
  assert.ok(start({}));
});
