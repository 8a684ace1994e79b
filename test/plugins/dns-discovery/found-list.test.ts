// The servers from the records of a name: URLs, weights, backups.
import * as assert from 'uvu/assert';
import { foundList } from '../../../plugins/dns-discovery/found-list.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the servers of a DNS answer');

const srv = (name: string, priority: number, weight: number, port = 8080) => ({
  name,
  priority,
  weight,
  port,
});
const plain = { scheme: 'http', port: undefined, name: 'app.test' } as const;

test('have the addresses of a name and the port of the options', () => {
  const addresses = [
    { address: '10.0.0.1', srv: undefined },
    { address: 'fd00::1', srv: undefined },
  ];
  assert.equal(foundList(addresses, { ...plain, port: 3000 }), [
    { url: 'http://10.0.0.1:3000' },
    { url: 'http://[fd00::1]:3000' },
  ]);
  assert.equal(foundList(addresses.slice(0, 1), { scheme: 'https', port: 443, name: 'app.test.' }), [
    { url: 'https://10.0.0.1:443', tls: { servername: 'app.test' } },
  ]);
});

test('have the weights of SRV records, and are backups when their priority is not the first', () => {
  const found = foundList(
    [
      { address: '10.0.0.1', srv: srv('a.test', 10, 60) },
      { address: '10.0.0.2', srv: srv('b.test', 10, 0, 8081) },
      { address: '10.0.0.3', srv: srv('c.test', 20, 5) },
    ],
    plain,
  );
  assert.equal(found, [
    { url: 'http://10.0.0.1:8080', weight: 60 },
    { url: 'http://10.0.0.2:8081', weight: 1 },
    { url: 'http://10.0.0.3:8080', weight: 5, backup: true },
  ]);
});

test('keep the ratio of weights that exceed those of servers', () => {
  const found = foundList(
    [
      { address: '10.0.0.1', srv: srv('a.test', 1, 40_000) },
      { address: '10.0.0.2', srv: srv('b.test', 1, 20_000) },
      { address: '10.0.0.3', srv: srv('c.test', 1, 1) },
    ],
    plain,
  );
  assert.equal(
    found.map(server => typeof server === 'object' && server.weight),
    [1000, 500, 1],
  );
});

test('appear once each, from the record that comes first', () => {
  const found = foundList(
    [
      { address: '10.0.0.1', srv: srv('a.test', 1, 7) },
      { address: '10.0.0.1', srv: srv('alias.test', 2, 9) },
    ],
    { ...plain, scheme: 'https' },
  );
  assert.equal(found, [{ url: 'https://10.0.0.1:8080', tls: { servername: 'a.test' }, weight: 7 }]);
});
