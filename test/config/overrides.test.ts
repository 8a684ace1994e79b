// Flags, then the environment: what takes precedence over the config file.
import * as assert from 'uvu/assert';
import { readOverrides } from '../../config/overrides.ts';
import { suite } from '../support/suite.ts';

const test = suite('overrides');

const environment = {
  WELDR_LISTEN: '127.0.0.1:1, [::1]:2',
  WELDR_WORKERS: 'auto',
  WELDR_LOG_LEVEL: 'debug',
  WELDR_ZONE: 'eu-1a',
  WELDR_MEMBER: '3',
  WELDR_ADMIN_LISTEN: '127.0.0.1:3',
  WELDR_ADMIN_TOKEN: 'secret',
};

test('sets nothing without flags and variables', () => {
  assert.equal(readOverrides({}, {}), {});
  assert.equal(readOverrides({}, { WELDR_LISTEN: '' }), {});
});

test('reads the variables', () => {
  assert.equal(readOverrides({}, environment), {
    listen: ['127.0.0.1:1', '[::1]:2'],
    workers: 'auto',
    logLevel: 'debug',
    zone: 'eu-1a',
    member: 3,
    adminListen: '127.0.0.1:3',
    adminToken: 'secret',
  });
});

test('accepts unix sockets for clients, not for the admin API', () => {
  assert.equal(readOverrides({ ip: 'unix:/run/weldr.sock,:80' }, {}).listen, ['unix:/run/weldr.sock', ':80']);
  assert.throws(
    () => readOverrides({ ip: 'unix:weldr.sock' }, {}),
    /^--ip: "unix:weldr.sock" is not an address/,
  );
  assert.throws(() => readOverrides({ adminIp: 'unix:/a' }, {}), /^--admin-ip: expected an address such as/);
});

test('prefers a flag to its variable', () => {
  const overrides = readOverrides({ ip: ':80', adminIp: '127.0.0.1:9', workers: '0' }, environment);
  assert.equal(overrides.listen, [':80']);
  assert.is(overrides.adminListen, '127.0.0.1:9');
  assert.is(overrides.workers, 0);
  assert.is(overrides.logLevel, 'debug');
});

test('names the flag or the variable that is wrong', () => {
  assert.throws(() => readOverrides({ ip: '80' }, environment), /^--ip.*expected an address such as/);
  assert.throws(() => readOverrides({ workers: 'many' }, {}), '--workers: expected a number of processes');
  assert.throws(() => readOverrides({}, { WELDR_LOG_LEVEL: 'loud' }), 'WELDR_LOG_LEVEL: ');
  assert.throws(() => readOverrides({}, { WELDR_ZONE: 'a b' }), 'WELDR_ZONE: expected a zone');
  assert.throws(() => readOverrides({}, { WELDR_MEMBER: 'weldr-3' }), 'WELDR_MEMBER: expected a number');
});
