// The options of tls.connect for upstreams.
import type { PeerCertificate } from 'node:tls';
import * as assert from 'uvu/assert';
import { tlsConnectionOptions } from '../../../../core/http/upstream/tls-options.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('TLS options for upstreams');

test('unreadable names in a certificate are an error that is returned, not thrown', () => {
  const { checkServerIdentity } = tlsConnectionOptions({ hostname: 'a.test', port: 443 });
  const odd: Partial<PeerCertificate> = { subjectaltname: 'DNS:"a' };
  const fault = checkServerIdentity?.('a.test', odd as PeerCertificate);
  assert.instance(fault, Error);
  assert.match(fault?.message ?? '', /subject alternative name/i);
});
