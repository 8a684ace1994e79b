// NameSources: /etc/hosts first, then name servers: a real dnsmasq, and one that never answers.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { parseHosts } from '../../../../core/http/upstream/hosts-file.ts';
import { type NameAnswer, NameSources } from '../../../../core/http/upstream/name-sources.ts';
import { candidates, parseSearchList } from '../../../../core/http/upstream/search-list.ts';
import { systemClock } from '../../../../core/time/clock.ts';
import { NameServer, SilentNameServer } from '../../../support/name-server.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('NameSources');

const addressesOf = (answer: NameAnswer): string[] =>
  answer.kind === 'found' ? answer.addresses.map(({ address }) => address).sort() : [answer.kind];

test('reads hosts files as other resolvers do', () => {
  const hosts = parseHosts(
    '# 1.1.1.1 no\n127.0.0.1\tLocalhost  box # it\n::1 localhost\n127.0.0.1 localhost\nnonsense a\n\n10.0.0.1 db.test db',
  );
  assert.equal(
    [...hosts],
    [
      ['localhost', ['127.0.0.1', '::1']],
      ['box', ['127.0.0.1']],
      ['db.test', ['10.0.0.1']],
      ['db', ['10.0.0.1']],
    ],
  );
});

test('appends the domains of resolv.conf first to names with few dots, and last to others', () => {
  const list = parseSearchList(
    'search wrong.test\nsearch ns.svc.test. svc.test\noptions timeout:1 ndots:2\n',
  );
  assert.equal(candidates('api', list), ['api.ns.svc.test', 'api.svc.test', 'api']);
  assert.equal(candidates('api.other', list), ['api.other.ns.svc.test', 'api.other.svc.test', 'api.other']);
  assert.equal(candidates('a.b.c', list), ['a.b.c', 'a.b.c.ns.svc.test', 'a.b.c.svc.test']);
  assert.equal(candidates('api.', list), ['api']);
  assert.equal(candidates('api', parseSearchList('domain one.test\n')), ['api.one.test', 'api']);
});

test('reads files before it asks name servers, and notices when they change', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-hosts-'));
  const hosts = join(folder, 'hosts');
  const server = await NameServer.start(['192.0.2.1 a.test', '192.0.2.2 b.test']);
  try {
    const sources = new NameSources(systemClock, { hosts, servers: [server.address] });
    assert.equal(addressesOf(await sources.ask('a.test')), ['192.0.2.1']);
    writeFileSync(hosts, '198.51.100.7 a.test\n');
    assert.equal(addressesOf(await sources.ask('a.test')), ['198.51.100.7']);
    assert.equal(addressesOf(await sources.ask('a.test.')), ['198.51.100.7']);
    assert.equal(addressesOf(await sources.ask('b.test')), ['192.0.2.2']);
    rmSync(hosts);
    assert.equal(addressesOf(await sources.ask('a.test')), ['192.0.2.1']);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

test('returns addresses of both families, and the TTL', async () => {
  const records = ['192.0.2.1 a.test', '192.0.2.2 a.test', '2001:db8::1 a.test', '2001:db8::2 six.test'];
  const server = await NameServer.start(records, { ttl: 7 });
  try {
    const sources = new NameSources(systemClock, { hosts: '/dev/null', servers: [server.address] });
    const answer = await sources.ask('a.test');
    assert.equal(addressesOf(answer), ['192.0.2.1', '192.0.2.2', '2001:db8::1']);
    assert.is(answer.kind === 'found' && answer.ms, 7_000);
    assert.equal(addressesOf(await sources.ask('six.test')), ['2001:db8::2']);
    assert.is((await sources.ask('none.test')).kind, 'unknown');
  } finally {
    await server.close();
  }
});

test('completes short names with the search list', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-search-'));
  const resolvConf = join(folder, 'resolv.conf');
  writeFileSync(resolvConf, 'search none.test svc.test\n');
  const server = await NameServer.start(['192.0.2.1 api.svc.test']);
  try {
    const sources = new NameSources(systemClock, {
      hosts: '/dev/null',
      resolvConf,
      servers: [server.address],
    });
    assert.equal(addressesOf(await sources.ask('api')), ['192.0.2.1']);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

test('localhost is this host without an entry in files, and name servers are not asked about it', async () => {
  const silent = await SilentNameServer.start();
  try {
    const sources = new NameSources(systemClock, { hosts: '/dev/null', servers: [silent.address] });
    for (const name of ['localhost', 'localhost.', 'app.localhost']) {
      assert.equal(addressesOf(await sources.ask(name)), ['127.0.0.1', '::1'], name);
    }
    assert.is(silent.questions, 0);
  } finally {
    silent.close();
  }
});

test('a look-up at a silent name server ends without a query for each domain of the search list', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-silent-'));
  const resolvConf = join(folder, 'resolv.conf');
  writeFileSync(resolvConf, 'search a.test b.test c.test\n');
  const silent = await SilentNameServer.start();
  try {
    const sources = new NameSources(systemClock, {
      hosts: '/dev/null',
      resolvConf,
      servers: [silent.address],
    });
    assert.equal(await sources.ask('api'), { kind: 'unanswered', why: 'ETIMEOUT' });
    // Two tries, two families.
    assert.is(silent.questions, 4);
  } finally {
    silent.close();
    rmSync(folder, { recursive: true });
  }
});
