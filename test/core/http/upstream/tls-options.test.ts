// The options of tls.connect for upstreams.
import type { PeerCertificate } from 'node:tls';
import * as assert from 'uvu/assert';
import { tlsConnectionOptions } from '../../../../core/http/upstream/tls-options.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('options of TLS to upstreams');

test('names of a certificate that cannot be read are an error, which is returned and not thrown', () => {
  const { checkServerIdentity } = tlsConnectionOptions({ hostname: 'a.test', port: 443 });
  const odd: Partial<PeerCertificate> = { subjectaltname: 'DNS:"a' };
  const fault = checkServerIdentity?.('a.test', odd as PeerCertificate);
  assert.instance(fault, Error);
  assert.match(fault?.message ?? '', /subject alternative name/i);
});
