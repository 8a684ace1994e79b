// Warnings about certificates that have expired or soon will.
import * as assert from 'uvu/assert';
import { readCertificate } from '../../../core/certificates/certificate.ts';
import { CertificateEnds } from '../../../core/certificates/certificate-ends.ts';
import { expiryOf } from '../../../core/certificates/certificate-expiry.ts';
import { collectingLogger } from '../../../core/testing/log-lines.ts';
import { FakeClock, type LogLine } from '../../../core/testing.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import { suite } from '../../support/suite.ts';

const test = suite('the expiry of certificates');

const at = (date: string): string | undefined => expiryOf(certificate, Date.parse(date));

test('is reported from 21 days before it', () => {
  assert.is(at('2126-10-07T00:00:00Z'), undefined);
  assert.is(
    at('2126-10-20T00:00:00Z'),
    'the certificate CN=origin.test expires in 10 days, on 2126-10-29; renew it',
  );
});

test('is reported after it', () => {
  assert.is(at('2126-11-01'), 'the certificate CN=origin.test expired on 2126-10-29; renew it');
});

test('is replaced by a hint at the clock while the certificate is not valid yet', () => {
  assert.is(
    at('2020-01-01'),
    'the certificate CN=origin.test is not valid before 2026-11-22; is the clock of this machine right?',
  );
});

test('is undefined for an unreadable certificate', () => assert.is(expiryOf('no PEM', 0), undefined));

test('is logged once a day for every certificate in use', () => {
  const read = readCertificate(certificate, privateKey, undefined);
  if (!('name' in read)) throw new Error(read.message);
  const clock = new FakeClock(Date.parse('2126-10-19T12:00Z'));
  const lines: LogLine[] = [];
  let shown = [read];
  const ends = new CertificateEnds({ clock, log: collectingLogger(lines), shown: () => shown });
  ends.look();
  assert.equal(
    lines.map(({ level, msg }) => [level, msg]),
    [['warn', 'the certificate origin.test expires in 10 days, on 2126-10-29; renew it']],
  );
  clock.advance(24 * 3_600_000);
  assert.match(lines[1]?.msg ?? '', 'expires in 9 days');
  shown = [];
  clock.advance(24 * 3_600_000);
  ends.close();
  assert.is(lines.length, 2);
});
