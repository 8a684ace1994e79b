// docker-discovery with a stand-in for the engine: containers start, change and stop; the engine fails and comes back.
import * as assert from 'uvu/assert';
import { managerSide, type TestManagerSide } from '../../../core/testing.ts';
import { type DockerDiscoveryOptions, dockerDiscovery } from '../../../plugins/docker-discovery/index.ts';
import { ContainerEngine, type StandInContainer } from '../../support/container-engine.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';

const test = suite('docker-discovery');

let engine: ContainerEngine;
let side: TestManagerSide | undefined;
test.before.each(async () => {
  engine = await ContainerEngine.start();
});
test.after.each(async () => {
  await side?.close();
  assert.is(side?.clock.pending ?? 0, 0);
  side = undefined;
  await engine.close();
});

async function start(
  options: Partial<DockerDiscoveryOptions> = {},
  previous?: TestManagerSide,
): Promise<TestManagerSide> {
  const plugin = dockerDiscovery({ socket: engine.socket, timeout: '60s', ...options });
  side = await managerSide(plugin, previous === undefined ? {} : { previous });
  await until('its events are followed', () => engine.isFollowed);
  // The list that follows.
  const { lists } = engine;
  await passing('the first lists', 1, () => engine.lists > lists || lists > 1);
  return side;
}

const web = (
  n: number,
  labels: Readonly<Record<string, string>> = {},
  more: Partial<StandInContainer> = {},
) => ({
  labels: { 'weldr.enable': 'true', ...labels },
  networks: { web: `172.18.0.${n}` },
  ports: [8080],
  ...more,
});

const shown = (pool = 'default') =>
  [...(side?.pools.list(pool) ?? [])]
    .filter(({ leaving }) => !leaving)
    .map(({ upstream }) => upstream.id)
    .sort();

const at = (...hosts: readonly number[]) => hosts.map(n => `http://172.18.0.${n}:8080`);

const said = () =>
  (side?.logs ?? []).filter(({ level }) => level === 'warn' || level === 'error').map(({ msg }) => msg);

async function passing(what: string, ms: number, isSo: () => boolean): Promise<void> {
  await until(what, async () => {
    await side?.clock.advanceAsync(ms);
    return isSo();
  });
}

/** Lets enough time pass for the effects of events, but not for the next periodic list. */
async function told(what: string, isSo: () => boolean): Promise<void> {
  const began = side?.clock.now() ?? 0;
  await passing(what, 0, () => {
    if ((side?.clock.now() ?? 0) - began < 25_000) side?.clock.advance(100);
    return isSo();
  });
}

test('finds the containers that ask for it, and follows them by events', async () => {
  engine.run('web-1', web(2));
  engine.run('web-2', web(3, { 'weldr.weight': '5' }));
  engine.run('db', { networks: { web: '172.18.0.9' }, ports: [5432] });
  engine.run('api', web(4, { 'weldr.pool': 'api' }));
  const { pools } = await start();
  assert.equal([shown(), shown('api')], [at(2, 3), at(4)]);
  const [first] = pools.list('default');
  assert.equal([first?.layer, first?.upstream.labels], ['discovered:docker-default', { container: 'web-1' }]);
  engine.run('web-3', web(5));
  await told('a container comes', () => shown().length === 3);
  engine.remove('web-1');
  await told('a container goes', () => shown().length === 2);
  engine.run('web-3', web(6), 'rename');
  await told('an address changes', () => shown()[1] === at(6)[0]);
  assert.equal(said(), []);
});

test('leaves out containers that are unhealthy, starting or paused, until they have recovered', async () => {
  engine.run('a', web(2));
  engine.run('b', web(3, {}, { health: 'healthy' }));
  engine.run('c', web(4, {}, { health: 'starting' }));
  await start({ maxChange: 1 });
  assert.equal(shown(), at(2, 3));
  engine.run('b', web(3, {}, { health: 'unhealthy' }), 'health_status: unhealthy');
  await told('it leaves', () => shown().length === 1);
  engine.run('c', web(4, {}, { health: 'healthy' }), 'health_status: healthy');
  await told('it comes', () => shown().length === 2);
  engine.run('a', web(2, {}, { state: 'paused' }), 'pause');
  await told('it is paused', () => shown().length === 1);
  assert.equal(shown(), at(4));
});

test('keeps its servers while the engine is away, and misses nothing when it is back', async () => {
  engine.run('a', web(2));
  engine.run('b', web(3));
  await start();
  await engine.stop();
  engine.remove('a');
  engine.run('c', web(4));
  await passing('it is said', 500, () => said().some(text => text.includes('its socket does not exist')));
  for (let i = 0; i < 5; i++) await side?.clock.advanceAsync(10_000);
  assert.equal(shown(), at(2, 3));
  const lines = said().length;
  await passing('it is not said again', 5000, () => true);
  assert.is(said().length, lines);
  await engine.listen();
  await passing('it is listed again', 500, () => shown().length === 2 && shown()[0] === at(3)[0]);
  assert.equal(shown(), at(3, 4));
  await passing('its events are followed', 500, () => engine.isFollowed);
  engine.run('d', web(5));
  await told('events are heard again', () => shown().length === 3);
});

test('follows the events again when they break off, and lists what happened meanwhile', async () => {
  engine.run('a', web(2));
  await start({ interval: '10m' });
  engine.cutEvents();
  await until('they are cut', () => !engine.isFollowed);
  engine.run('b', web(3));
  await told('it is found', () => shown().length === 2);
});

test('lists regularly what no event reported', async () => {
  for (let n = 2; n < 6; n++) engine.run(`web-${n}`, web(n));
  await start({ interval: '30s' });
  engine.forget('web-2');
  await side?.clock.advanceAsync(29_000);
  assert.is(shown().length, 4);
  await passing('it is listed', 1000, () => shown().length === 3);
});

test('keeps the servers of a pool without any container left, and logs it once', async () => {
  engine.run('a', web(2, { 'weldr.pool': 'api' }));
  engine.run('b', web(3, { 'weldr.pool': 'blue' }));
  await start();
  engine.remove('a');
  await told('it is held', () => said().length === 1);
  assert.match(said()[0] ?? '', /^the engine .*: it names no servers, where there were 1; allowEmpty: true/);
  for (let i = 0; i < 10; i++) await passing('a list', 5000, () => true);
  assert.equal([shown('api'), shown('blue'), said().length], [at(2), at(3), 1]);
  engine.run('a', web(7, { 'weldr.pool': 'api' }));
  await told('its successor takes its place', () => shown('api')[0] === at(7)[0]);
  assert.equal(shown('api'), at(7));
});

test('leaves out only the container whose labels are wrong, and logs once why, and once that they are right', async () => {
  engine.run('good', web(2));
  engine.run('bad', web(3, { 'weldr.wieght': '3' }));
  engine.run('same', web(2));
  await start();
  assert.equal(shown(), at(2));
  for (let i = 0; i < 5; i++) await passing('a list', 30_000, () => true);
  assert.equal(said(), [
    `the engine ${engine.socket}: container bad is left out: there is no label weldr.wieght; did you mean weldr.weight?`,
    `the engine ${engine.socket}: container same is left out: another container is at http://172.18.0.2:8080 as well`,
  ]);
  engine.run('bad', web(3, { 'weldr.weight': '3' }));
  await told('it is taken', () => shown().length === 2);
  assert.ok(
    side?.logs.some(({ msg, about }) => about === 'container bad' && /it has recovered$/.test(String(msg))),
  );
});

test('reads no answer that is too long or invalid', async () => {
  engine.run('a', web(2));
  await start({ maxAnswer: '64kb' });
  const answers: [NonNullable<ContainerEngine['answer']>, RegExp][] = [
    [
      response => response.end(JSON.stringify(['x'.repeat(70_000)])),
      /its response is longer than maxAnswer \(65536 bytes\)/,
    ],
    [response => response.end('{"message":"no"}'), /its list of containers is malformed/],
    [response => response.end('[{'), /JSON/],
    [response => response.writeHead(500).end('no'), /it answered 500 to \/v1\.47\/containers\/json/],
    [response => response.destroy(), /socket hang up/],
  ];
  for (const [answer, message] of answers) {
    engine.answer = answer;
    await passing('the trouble', 1000, () => message.test(said().at(-1) ?? ''));
    assert.equal(shown(), at(2));
  }
  engine.answer = response => response.end('[{"Id":7}]');
  await passing('it is said', 1000, () =>
    said().some(text => text.endsWith(': 1 of its containers cannot be read')),
  );
  assert.equal(shown(), at(2));
});

test('requests one list at a time, however many events there are and however long it takes', async () => {
  engine.run('a', web(2));
  await start({ timeout: '5s' });
  engine.answer = () => {};
  const before = engine.lists;
  for (let i = 0; i < 20; i++) {
    engine.run('a', web(2));
    await passing('some time', 200, () => true);
  }
  assert.is(engine.lists - before, 1);
  await passing('the request fails', 2000, () =>
    said().some(text => /did not answer within 5000 ms/.test(text)),
  );
  assert.is(engine.mostListing, 1);
});

test('takes only containers with the configured labels, up to a limit', async () => {
  for (let n = 2; n < 7; n++) engine.run(`web-${n}`, web(n, { project: n % 2 === 0 ? 'shop' : 'blog' }));
  await start({ labels: ['project=shop'], maxServers: 2 });
  assert.equal(shown(), at(2, 4));
  assert.equal(said(), [`the engine ${engine.socket}: there are more than 2 servers; the rest is left out`]);
});

test('starts while the engine is away, and keeps its servers across a reload', async () => {
  await engine.stop();
  side = await managerSide(dockerDiscovery({ socket: engine.socket }));
  assert.match(said()[0] ?? '', /its socket does not exist; is the engine running\?/);
  engine.run('a', web(2));
  await engine.listen();
  await passing('it is found', 1000, () => shown().length === 1);
  await side.close();
  const { revision } = side.pools;
  await start({}, side);
  assert.equal([shown(), side.pools.revision], [at(2), revision]);
  await side.close();
  await start({ pools: ['api'] }, side);
  assert.equal(shown(), []);
});
