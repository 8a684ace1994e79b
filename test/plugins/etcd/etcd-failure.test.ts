// What errors of etcd mean: whether nothing was done, or something may have been.
import * as assert from 'uvu/assert';
import { failureOf, refusalError, refusalOf } from '../../../plugins/etcd/etcd-failure.ts';
import { suite } from '../../support/suite.ts';

const test = suite('failures of etcd');

test('a refusal by etcd means that nothing was done, and the text has the remedy', () => {
  const refusals: Record<string, RegExp> = {
    '3 INVALID_ARGUMENT: etcdserver: request is too large': /smaller batches/,
    '8 RESOURCE_EXHAUSTED: grpc: received message larger than max (2 vs. 1)': /smaller batches/,
    '15 DATA_LOSS: etcdserver: corrupt cluster': /CORRUPT alarm.*alarm disarm/,
    '7 PERMISSION_DENIED: etcdserver: permission denied': /give the user a role/,
    '3 INVALID_ARGUMENT: etcdserver: user name is empty': /`user` and `password`/,
    '3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password': /check `user`/,
    '9 FAILED_PRECONDITION: etcdserver: authentication is not enabled': /remove `user` and `password`/,
    '5 NOT_FOUND: etcdserver: requested lease not found': /lease not found/,
    '11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted': /compacted/,
  };
  for (const [words, text] of Object.entries(refusals)) {
    const failure = failureOf(new Error(words));
    assert.not.ok(failure.mayBeDone, words);
    assert.not.ok(failure.mayPass, words);
    assert.match(failure.text, text);
  }
});

test('a failure that another member may not have means that nothing was done', () => {
  const passing = [
    '8 RESOURCE_EXHAUSTED: etcdserver: too many requests',
    '14 UNAVAILABLE: etcdserver: not capable',
    '14 UNAVAILABLE: etcdserver: rpc not supported for learner',
    '14 UNAVAILABLE: etcdserver: no leader',
    '14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED 127.0.0.1:1',
  ];
  for (const words of passing) {
    const { mayBeDone, mayPass } = failureOf(new Error(words));
    assert.equal({ mayBeDone, mayPass }, { mayBeDone: false, mayPass: true }, words);
  }
});

test('a call that broke off in the middle may have been done', () => {
  const unknown = [
    '4 DEADLINE_EXCEEDED: Deadline exceeded after 1.0s',
    'no answer within 1000 ms',
    '14 UNAVAILABLE: etcdserver: request timed out, possibly due to connection lost',
    '14 UNAVAILABLE: etcdserver: leader changed',
    '14 UNAVAILABLE: etcdserver: server stopped',
    '14 UNAVAILABLE: read ECONNRESET',
    // The part of etcd that writes reports it after it has written.
    '8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded',
  ];
  for (const words of unknown) {
    assert.ok(failureOf(new Error(words)).mayBeDone, words);
    assert.is(refusalOf(new Error(words)), undefined, words);
  }
});

test('a refusal of all attempts keeps what is known of it', () => {
  const failure = { kind: 'no-space', text: 'etcd is out of space', mayBeDone: false } as const;
  assert.equal(refusalOf(refusalError(failure)), failure);
});
