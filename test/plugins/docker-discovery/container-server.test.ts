// The server that a container becomes by its labels, and errors about wrong labels.
import * as assert from 'uvu/assert';
import {
  type ContainerDefaults,
  containerServer,
  readContainer,
} from '../../../plugins/docker-discovery/container-server.ts';
import { parseEngineAddress } from '../../../plugins/docker-discovery/engine-address.ts';
import { suite } from '../../support/suite.ts';

const test = suite('a container as a server');

const defaults: ContainerDefaults = {
  pool: 'default',
  pools: undefined,
  only: undefined,
  network: undefined,
  hostAddress: '127.0.0.1',
};

interface Given {
  readonly labels?: Readonly<Record<string, string>>;
  readonly ports?: readonly number[];
  readonly networks?: Readonly<Record<string, string>>;
  readonly state?: string;
}

function serverOf(
  { labels = {}, ports = [8080], networks = { web: '172.18.0.5' }, state = 'running' }: Given,
  more: Partial<ContainerDefaults> = {},
) {
  const own = Object.entries(labels).map(([name, value]) => [`weldr.${name}`, value]);
  const container = readContainer({
    Id: 'ab'.repeat(32),
    Names: ['/shop-web-1'],
    Labels: { 'weldr.enable': 'true', 'com.example': 'x', ...Object.fromEntries(own) },
    State: state,
    Ports: ports.map(PrivatePort => ({ PrivatePort, Type: 'tcp' })),
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(networks).map(([name, IPAddress]) => [name, { IPAddress, MacAddress: '' }]),
      ),
    },
  });
  assert.ok(container);
  return containerServer(container, { ...defaults, ...more });
}

function refusal(given: Given, more?: Partial<ContainerDefaults>): string {
  try {
    serverOf(given, more);
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : '';
  }
  return 'it was taken';
}

test('has its maximum of connections and its zone from labels', () => {
  const server = serverOf({ labels: { 'max-connections': '40', zone: 'eu-1a' } })?.server;
  assert.ok(typeof server === 'object');
  assert.equal([server.maxConnections, server.zone], [40, 'eu-1a']);
  assert.throws(
    () => serverOf({ labels: { 'max-connections': 'few' } }),
    /weldr\.max-connections.*a whole number/,
  );
});

test('is at its address and its only port', () => {
  assert.equal(serverOf({}), {
    pool: 'default',
    url: 'http://172.18.0.5:8080',
    server: { url: 'http://172.18.0.5:8080', labels: { container: 'shop-web-1' } },
  });
});

test('has the settings of its labels', () => {
  const labels = {
    pool: 'api',
    port: '9000',
    scheme: 'h2c',
    weight: '20',
    backup: 'True',
    network: 'back',
    'label.zone': 'a',
  };
  const networks = { web: '172.18.0.5', back: 'fd00::5' };
  assert.equal(serverOf({ labels, networks, ports: [80, 9000] })?.server, {
    url: 'h2c://[fd00::5]:9000',
    weight: 20,
    backup: true,
    labels: { container: 'shop-web-1', zone: 'a' },
  });
});

test('exists only if its labels say so and it runs', () => {
  assert.is(serverOf({ labels: { enable: 'false', port: 'x' } }), undefined);
  assert.is(serverOf({ state: 'paused' }), undefined);
  assert.is(serverOf({ labels: { pool: 'api' } }, { only: 'blue' }), undefined);
  assert.is(readContainer({ Id: 7 }), undefined);
});

test('is at the address of this machine in the network host, and in the configured network where it has several', () => {
  assert.is(serverOf({ networks: { host: '' } })?.url, 'http://127.0.0.1:8080');
  const networks = { web: '172.18.0.5', back: '172.19.0.5' };
  assert.is(serverOf({ networks }, { network: 'back' })?.url, 'http://172.19.0.5:8080');
  assert.is(
    serverOf({}, { network: 'back' })?.url,
    'http://172.18.0.5:8080',
    'with one network there is no choice',
  );
});

test('is refused with the label and the remedy when its labels are ambiguous', () => {
  const cases: [Given, RegExp][] = [
    [{ labels: { wieght: '80' } }, /^there is no label weldr\.wieght; did you mean weldr\.weight\?$/],
    [{ labels: { enable: 'yes' } }, /^the label weldr\.enable: expected true or false, got "yes"$/],
    [{ labels: { port: '70000' } }, /^the label weldr\.port: expected a port, got "70000"$/],
    [{ labels: { weight: '1.5' } }, /^the label weldr\.weight: expected a whole number, got "1\.5"$/],
    [{ labels: { weight: '0' } }, /weight: a weight is at least 1/],
    [{ labels: { scheme: 'ftp' } }, /^the label weldr\.scheme: expected http, https or h2c, got "ftp"$/],
    [{ labels: { pool: 'a pool' } }, /^the label weldr\.pool: expected the name of a pool, got "a pool"$/],
    [{ labels: { network: 'db' } }, /^it is not in the network "db", but in web$/],
    [{ labels: { 'label.9': 'x' } }, /labels/],
    [{ ports: [] }, /^it exposes no port; say which with the label weldr\.port$/],
    [{ ports: [80, 81] }, /^it exposes the ports 80, 81; say which with the label weldr\.port$/],
    [
      { networks: { a: '10.0.0.1', b: '10.1.0.1' } },
      /^it is in the networks a, b; say which with the label weldr\.network/,
    ],
    [{ networks: { web: '' } }, /^it has no address in the network web$/],
    [{ networks: {} }, /^it has no address in the network none$/],
  ];
  for (const [given, message] of cases) assert.match(refusal(given), message);
  assert.match(
    refusal({ labels: { pool: 'api' } }, { pools: ['blue'] }),
    /expected one of the option pools, blue, got "api"/,
  );
});

test('comes from an engine at a socket, or at an address as in DOCKER_HOST', () => {
  assert.equal(parseEngineAddress('/run/docker.sock'), { socketPath: '/run/docker.sock' });
  assert.equal(parseEngineAddress('unix:///run/docker.sock'), { socketPath: '/run/docker.sock' });
  assert.equal(parseEngineAddress('tcp://10.0.0.5:2375'), { host: '10.0.0.5', port: 2375 });
  assert.equal(parseEngineAddress('http://[::1]:2375'), { host: '::1', port: 2375 });
  for (const text of ['docker.sock', 'https://a:1', 'tcp://a', 'ssh://a', 'tcp://a:0', '/a/../b']) {
    assert.throws(() => parseEngineAddress(text), /expected a socket such as|write the path/, text);
  }
});
