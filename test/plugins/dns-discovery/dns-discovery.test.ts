// dns-discovery with a real name server: A, AAAA and SRV records, and what happens when it falls silent.
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { parse } from '../../../core/options/options.ts';
import { FakeClock, managerSide, settle, type TestManagerSide } from '../../../core/testing.ts';
import { type DnsDiscoveryOptions, dnsDiscovery } from '../../../plugins/dns-discovery/index.ts';
import { NameServer, SilentNameServer } from '../../support/name-server.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('dns-discovery');

/** The servers that are not leaving, in order. */
const shown = (side: TestManagerSide, pool = 'default') =>
  [...side.pools.list(pool)]
    .filter(entry => !entry.leaving)
    .map(
      ({ upstream: { id, weight, backup }, layer }) => `${id} ${weight}${backup ? ' backup' : ''} ${layer}`,
    )
    .sort();

const urls = (side: TestManagerSide) => shown(side).map(line => line.split(' ')[0]);

const warnings = (side: TestManagerSide) =>
  side.logs
    .filter(({ level, source }) => source !== undefined && (level === 'warn' || level === 'error'))
    .map(({ msg }) => msg);

/** The resolver and its timeout. Time runs faster here than for the name server. */
const asked = (names: NameServer) => ({ resolver: [names.address], timeout: '60s' });

/** Lets time pass until a condition holds: answers of the name server take real time. */
async function passing(side: TestManagerSide, ms: number, what: string, isSo: () => boolean): Promise<void> {
  await until(what, async () => {
    side.clock.advance(ms);
    await settle();
    return isSo();
  });
}

test('follows the addresses of a name as they change, at the pace of their TTL', async () => {
  const names = await NameServer.start(['10.0.0.1 app.test', '10.0.0.2 app.test'], { ttl: 7 });
  const side = await managerSide(
    dnsDiscovery({ pool: 'api', name: 'app.test', port: 3000, ...asked(names) }),
  );
  try {
    const layer = 'discovered:dns-api';
    assert.equal(shown(side, 'api'), [`http://10.0.0.1:3000 1 ${layer}`, `http://10.0.0.2:3000 1 ${layer}`]);
    await names.change(['10.0.0.2 app.test', '10.0.0.3 app.test']);
    await side.clock.advanceAsync(6900);
    assert.is(shown(side, 'api')[0], `http://10.0.0.1:3000 1 ${layer}`);
    await passing(side, 1000, 'the other answer', () => shown(side, 'api')[1]?.includes('10.0.0.3') === true);
    assert.equal(shown(side, 'api'), [`http://10.0.0.2:3000 1 ${layer}`, `http://10.0.0.3:3000 1 ${layer}`]);
    assert.equal(warnings(side), []);
  } finally {
    await side.close();
    await names.close();
  }
  assert.is(side.clock.pending, 0);
});

test('keeps its servers while the name server is silent, and when the name is gone, and logs it once', async () => {
  const names = await NameServer.start(['10.0.0.1 app.test', '10.0.0.2 app.test']);
  const side = await managerSide(dnsDiscovery({ name: 'app.test', port: 80, ...asked(names) }));
  try {
    await names.change([]);
    await passing(side, 1100, 'the name is gone', () => warnings(side).length > 0);
    for (let i = 0; i < 5; i++) await passing(side, 10_000, 'a look', () => true);
    assert.equal(warnings(side), [
      'the name app.test: it does not exist, so it names no servers, where there were 2; allowEmpty: true would let them go; the previous servers stay',
    ]);
    assert.equal(urls(side), ['http://10.0.0.1', 'http://10.0.0.2']);
    await names.close();
    await passing(side, 3000, 'no name server answers', () => warnings(side).length > 1);
    assert.match(
      warnings(side)[1] ?? '',
      /^the name app\.test: .*(?:no name server|not answered).*; the previous servers stay$/,
    );
    assert.is(urls(side).length, 2);
  } finally {
    await side.close();
    await names.close();
  }
});

test('has one question in progress at a time, and abandons it after its timeout', async () => {
  const silent = await SilentNameServer.start();
  const clock = new FakeClock();
  const started = managerSide(
    dnsDiscovery({
      name: 'app.test',
      port: 80,
      resolver: [silent.address],
      interval: '100ms',
      timeout: '50s',
    }),
    { clock },
  );
  await until('it asked', () => silent.questions === 1);
  // Hundreds of intervals, but not the timeout of the question.
  for (let i = 0; i < 499; i++) await clock.advanceAsync(100);
  // It may have been repeated, as UDP may lose messages.
  assert.ok(silent.questions < 5);
  await clock.advanceAsync(100);
  const side = await started;
  try {
    assert.equal(warnings(side), [
      'the name app.test: it was not answered within 50000 ms; none have been found so far',
    ]);
  } finally {
    await side.close();
    silent.close();
  }
});

test('takes ports, weights and backups from SRV records, and follows their targets', async () => {
  const hosts = ['10.0.0.1 a.test', '10.0.0.2 b.test', '10.0.0.3 b.test', '10.0.0.4 c.test'];
  const services = [
    '_http._tcp.app.test,a.test,8081,10,60',
    '_http._tcp.app.test,b.test,8082,10,20',
    '_http._tcp.app.test,c.test,8083,20,5',
    '_http._tcp.app.test,gone.test,8084,20,5',
  ];
  const names = await NameServer.start(hosts, { services });
  const side = await managerSide(
    dnsDiscovery({ srv: '_http._tcp.app.test', ...asked(names), source: 'app' }),
  );
  try {
    assert.equal(shown(side), [
      'http://10.0.0.1:8081 60 discovered:app',
      'http://10.0.0.2:8082 20 discovered:app',
      'http://10.0.0.3:8082 20 discovered:app',
      'http://10.0.0.4:8083 5 backup discovered:app',
    ]);
    await names.change(['10.0.0.9 a.test', ...hosts.slice(1)]);
    await passing(side, 1100, 'the target moved', () => urls(side).includes('http://10.0.0.9:8081'));
    assert.is(urls(side).length, 4);
  } finally {
    await side.close();
    await names.close();
  }
});

test('reads answers that are too long for UDP, and takes up to maxServers, the same ones each time', async () => {
  const records = Array.from({ length: 300 }, (_, i) => `10.0.${i >> 8}.${i & 255} many.test`);
  const names = await NameServer.start(records);
  const plugin = (maxServers: number) =>
    dnsDiscovery({ name: 'many.test', port: 80, ...asked(names), maxServers });
  const side = await managerSide(plugin(1000));
  try {
    assert.is(urls(side).length, 300);
    assert.equal(warnings(side), []);
  } finally {
    await side.close();
  }
  const bounded = await managerSide(plugin(100));
  try {
    const first = urls(bounded);
    assert.is(first.length, 100);
    assert.equal(warnings(bounded), [
      'the name many.test: it has more than 100 servers; the rest is left out',
    ]);
    const before = bounded.pools.revision;
    const text = bounded.logs.length;
    for (let i = 0; i < 5; i++) await passing(bounded, 1200, 'a look', () => true);
    assert.equal([urls(bounded), bounded.pools.revision, bounded.logs.length], [first, before, text]);
  } finally {
    await bounded.close();
    await names.close();
  }
});

test('takes addresses of IPv6, or of both families, and then needs an answer for both', async () => {
  const names = await NameServer.start(['10.0.0.1 app.test', 'fd00::1 app.test', 'fd00::2 six.test']);
  const found = async (options: Partial<DnsDiscoveryOptions>): Promise<unknown> => {
    const side = await managerSide(dnsDiscovery({ name: 'app.test', port: 80, ...asked(names), ...options }));
    await side.close();
    return urls(side);
  };
  try {
    assert.equal(await found({ family: 6 }), ['http://[fd00::1]']);
    assert.equal(await found({ family: 'both' }), ['http://10.0.0.1', 'http://[fd00::1]']);
    assert.equal(await found({ family: 'both', name: 'six.test' }), ['http://[fd00::2]']);
  } finally {
    await names.close();
  }
});

test('starts without servers when no name server has the name, and says why', async () => {
  const names = await NameServer.start([]);
  const side = await managerSide(dnsDiscovery({ name: 'nobody.test', port: 80, ...asked(names) }));
  try {
    assert.equal(warnings(side), [
      'the name nobody.test: it does not exist, so it names no server for the pool default',
    ]);
    await names.change(['10.0.0.1 nobody.test']);
    await passing(side, 2200, 'it is there', () => urls(side).length === 1);
    assert.ok(side.logs.some(({ msg }) => msg === 'the name nobody.test: it has recovered'));
  } finally {
    await side.close();
    await names.close();
  }
});

test('keeps its servers across a reload, and removes them from a pool that it no longer serves', async () => {
  const names = await NameServer.start(['10.0.0.1 app.test']);
  const options = { name: 'app.test', port: 80, ...asked(names), source: 'app' };
  const first = await managerSide(dnsDiscovery(options));
  const { revision } = first.pools;
  await first.close();
  const second = await managerSide(dnsDiscovery(options), { previous: first });
  assert.is(second.pools.revision, revision);
  await second.close();
  const third = await managerSide(dnsDiscovery({ ...options, pool: 'blue' }), { previous: second });
  assert.equal([shown(third), shown(third, 'blue')], [[], ['http://10.0.0.1 1 discovered:app']]);
  await third.close();
  await names.close();
});

test('refuses options that contradict each other, and suggests what was meant', () => {
  const refused = (options: unknown): string => {
    try {
      parse(dnsDiscovery.schema ?? z.never(), options);
    } catch (thrown) {
      return String(thrown);
    }
    return 'it was taken';
  };
  assert.match(refused({}), /name: either `name` or `srv` says what is asked for/);
  assert.match(refused({ name: 'a.test', srv: 'b.test', port: 1 }), /name: either/);
  assert.match(refused({ name: 'a.test' }), /port: a name has addresses but no port/);
  assert.match(refused({ srv: '_a._tcp.test', port: 80 }), /port: SRV records have the ports/);
  assert.match(refused({ name: '10.0.0.1', port: 80 }), /list it under servers/);
  assert.match(refused({ name: 'http://a.test', port: 80 }), /expected a name such as/);
  assert.match(
    refused({ name: 'a.test', port: 80, resolver: ['dns.test'] }),
    /expected a name server such as/,
  );
  assert.match(
    refused({ name: 'a.test', port: 80, ttl: { min: '1m', max: '1s' } }),
    /ttl\.max: is less than min/,
  );
  assert.match(refused({ name: 'a.test', port: 80, minserver: 2 }), /did you mean minServers\?/);
  for (const resolver of ['10.0.0.2', '10.0.0.2:8600', '::1', '[::1]:53']) {
    assert.is(refused({ name: 'a.test', port: 80, resolver: [resolver] }), 'it was taken');
  }
});
