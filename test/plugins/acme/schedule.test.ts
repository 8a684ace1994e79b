// When acme acts: backoff after failures, renewals, and the ids in requests for advice.
import * as assert from 'uvu/assert';
import { backoff } from '../../../plugins/acme/backoff.ts';
import { certificateId } from '../../../plugins/acme/certificate-id.ts';
import { renewalTime } from '../../../plugins/acme/renewal.ts';
import { retryAfterOf } from '../../../plugins/acme/transport.ts';
import { makeCertificate } from '../../support/authority.ts';
import { suite } from '../../support/suite.ts';

const test = suite('acme schedule');

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

test('doubles the wait after each failure, up to a day', () => {
  const waits = [1, 2, 3, 4, 9, 10, 1000].map(failures => backoff(failures, undefined, 0) / minute);
  assert.equal(waits, [5, 10, 20, 40, 1280, 1440, 1440]);
});

test('makes at most five attempts in the first hour, the number of failed validations that is allowed', () => {
  let at = 0;
  let attempts = 1;
  for (let failures = 1; ; failures++) {
    at += backoff(failures, undefined, 1);
    if (at >= hour) break;
    attempts++;
  }
  assert.is(attempts, 5);
});

test('is up to a quarter earlier, at random', () => {
  assert.equal([backoff(3, undefined, 0), backoff(3, undefined, 1)], [20 * minute, 15 * minute]);
});

test('retries sooner where the authority was away, and later after a rate limit', () => {
  assert.is(backoff(1, { type: 'unreachable', retryAfter: undefined }, 0), minute);
  assert.is(backoff(1, { type: 'rateLimited', retryAfter: undefined }, 0), hour);
});

test('waits as long as the authority asks for, even beyond a day', () => {
  assert.is(backoff(1, { type: 'rateLimited', retryAfter: 3 * day }, 1), 3 * day);
  assert.is(backoff(1, { type: 'rateLimited', retryAfter: 1000 * day }, 1), 30 * day);
  assert.is(backoff(4, { type: 'unreachable', retryAfter: 1000 }, 0), 8 * minute);
});

test('reads Retry-After in both of its forms, and nothing else', () => {
  const now = Date.UTC(2026, 0, 1);
  assert.is(retryAfterOf('120', now), 120_000);
  assert.is(retryAfterOf('Thu, 01 Jan 2026 00:01:00 GMT', now), minute);
  assert.is(retryAfterOf('Wed, 31 Dec 2025 00:00:00 GMT', now), 0);
  for (const text of [undefined, '', 'soon', '-5']) assert.is(retryAfterOf(text, now), undefined, text);
});

const certificate = (fingerprint: string) => ({ notBefore: 1000 * day, notAfter: 1090 * day, fingerprint });

test('renews at two thirds of the lifetime, each certificate at a separate time up to a thirtieth earlier', () => {
  const times = Array.from({ length: 200 }, (_, n) => renewalTime(certificate(`AB:${n}`), undefined) / day);
  assert.ok(times.every(time => time >= 1057 && time <= 1060));
  assert.ok(Math.min(...times) < 1057.2 && Math.max(...times) > 1059.8, 'they are spread');
  assert.is(renewalTime(certificate('AB:7'), undefined) / day, times[7], 'all nodes and restarts agree');
});

test('renews within the window that the authority asks for', () => {
  const window = { start: 1010 * day, end: 1011 * day };
  const times = Array.from({ length: 200 }, (_, n) => renewalTime(certificate(`AB:${n}`), window) / day);
  assert.ok(times.every(time => time >= 1010 && time <= 1011));
  assert.ok(Math.max(...times) - Math.min(...times) > 0.9, 'they are spread');
});

// RFC 9773 appendix A.
const example = `-----BEGIN CERTIFICATE-----
MIIBQzCB66ADAgECAgUAh2VDITAKBggqhkjOPQQDAjAVMRMwEQYDVQQDEwpFeGFt
cGxlIENBMCIYDzAwMDEwMTAxMDAwMDAwWhgPMDAwMTAxMDEwMDAwMDBaMBYxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEeBZu
7cbpAYNXZLbbh8rNIzuOoqOOtmxA1v7cRm//AwyMwWxyHz4zfwmBhcSrf47NUAFf
qzLQ2PPQxdTXREYEnKMjMCEwHwYDVR0jBBgwFoAUaYhba4dGQEHhs3uEe6CuLN4B
yNQwCgYIKoZIzj0EAwIDRwAwRAIge09+S5TZAlw5tgtiVvuERV6cT4mfutXIlwTb
+FYN/8oCIClDsqBklhB9KAelFiYt9+6FDj3z4KGVelYM5MdsO3pK
-----END CERTIFICATE-----`;

test("names a certificate as RFC 9773's example does, and none without the key of its authority", () => {
  assert.is(certificateId(example), 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE');
  const plain = makeCertificate({ names: ['shop.test'] });
  assert.is(certificateId(plain.cert), undefined);
});
