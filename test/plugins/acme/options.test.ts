// The options of acme: what is refused with which message, and what an operator reads about problems.
import * as assert from 'uvu/assert';
import { checkConfig } from '../../../core/config/config.ts';
import { type AcmeOptions, acme } from '../../../plugins/acme/index.ts';
import { problemOf, remedyFor } from '../../../plugins/acme/problem.ts';
import { etcd } from '../../../plugins/etcd/index.ts';
import { poolFile } from '../../../plugins/pool-file/index.ts';
import { roundRobin } from '../../../plugins/round-robin/index.ts';
import { suite } from '../../support/suite.ts';
import { configErrorOf } from '../../support/weldr-error.ts';

const test = suite('acme options');

const good = { email: 'ops@shop.test', domains: ['shop.test'] } as const;

function check(options: object, plugins = [poolFile()], listen: unknown = { address: ':443', tls: {} }) {
  const config = { listen: [listen], servers: ['http://127.0.0.1:1'] };
  return checkConfig({
    ...config,
    plugins: [...plugins, roundRobin(), acme(options as unknown as AcmeOptions)],
  });
}

function refusal(options: object, plugins = [poolFile()]): string {
  return configErrorOf(() => check(options, plugins));
}

test('needs an email and domains, and explains both', () => {
  assert.match(refusal({ email: 'x', domains: ['shop.test'] }), 'email: expected an address such as');
  assert.match(refusal({ email: good.email }), 'domains: expected array, got nothing');
  assert.match(refusal({ ...good, domains: [] }), 'domains: list the hosts of the certificates');
});

test('refuses names that http-01 cannot prove', () => {
  for (const [name, why] of [
    ['*.shop.test', 'http-01 cannot prove a wildcard'],
    ['10.0.0.1', 'expected the name of a host, not an address'],
    ['shop.test/x', 'expected the name of a host such as'],
    ['süd.test', '"xn--" form'],
    ['-a.test', 'expected the name of a host'],
  ] as const) {
    assert.match(refusal({ ...good, domains: [name] }), why, name);
    assert.match(refusal({ ...good, domains: [['shop.test', name]] }), 'domains', name);
  }
  assert.match(
    refusal({ ...good, domains: ['a.test', ['A.test', 'b.test']] }),
    'domains[1]: a.test is already the first',
  );
});

test('refuses other challenges, directories without https, and zerossl without its account', () => {
  assert.match(refusal({ ...good, challenge: 'dns-01' }), 'expected "http-01", the only supported challenge');
  for (const directory of ['http://ca.test/dir', 'constructor', 'https://']) {
    assert.match(refusal({ ...good, directory }), 'letsencrypt, letsencrypt-staging, zerossl');
  }
  assert.match(refusal({ ...good, directory: 'zerossl' }), 'externalAccount: zerossl requires one');
  check({ ...good, directory: 'zerossl', externalAccount: { keyId: 'kid', hmacKey: 'A'.repeat(32) } });
});

test('takes its secrets from variables', () => {
  const externalAccount = { keyId: 'kid', hmacKey: 'env:ACME_TEST_HMAC' };
  assert.match(refusal({ ...good, externalAccount }), 'the variable ACME_TEST_HMAC is not set');
});

test('refuses a config without a store', () => {
  assert.match(
    refusal(good, []),
    'plugins[1]: nothing keeps the account and the certificates across a restart',
  );
  check(good, [etcd()]);
});

test('warns where no client would be shown a certificate', () => {
  const { remarks } = check(good, [poolFile()], ':80');
  assert.match(remarks.warnings.join(), 'plugins[2].domains: no entry of listen has tls');
  assert.equal(check(good).remarks.warnings, []);
});

test('reads the problem of one of several domains, and names the remedy', () => {
  const problem = problemOf({
    type: 'urn:ietf:params:acme:error:compound',
    detail: 'several',
    subproblems: [
      {
        type: 'urn:ietf:params:acme:error:caa',
        detail: 'no\nway',
        identifier: { type: 'dns', value: 'b.test' },
      },
    ],
  });
  assert.equal([problem.type, problem.domain, problem.message], ['caa', 'b.test', 'no way']);
  assert.match(remedyFor(problem, 'https://ca.test') ?? '', 'a CAA record of b.test forbids it');
  for (const document of [undefined, null, 'x', { type: 3 }, { subproblems: 'x' }]) {
    assert.is(problemOf(document, { detail: 'what it was' }).message, 'what it was');
  }
});
