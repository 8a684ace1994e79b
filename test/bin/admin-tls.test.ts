// Commands and an admin API that speaks TLS: how they reach it, and what they print if they do not.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { AdminClient } from '../../bin/admin-client.ts';
import type { AdminTlsFiles } from '../../bin/admin-tls.ts';
import { CommandError } from '../../bin/command-error.ts';
import { managerSide } from '../../core/testing.ts';
import { adminApi } from '../../plugins/admin-api/index.ts';
import { makeCertificate } from '../support/authority.ts';
import { suite } from '../support/suite.ts';
import { runWeldr, startWeldr } from '../support/weldr.ts';

const test = suite('commands over TLS', { timeoutMs: 120_000 });

const authority = makeCertificate({ names: ['authority'], isAuthority: true });
const operator = makeCertificate({ names: ['operator'], authority });
const stranger = makeCertificate({ names: ['stranger'] });
const own = makeCertificate({ names: ['127.0.0.1'], authority });

const files: Readonly<Record<string, string>> = {
  'authority.pem': authority.cert,
  'own.pem': own.cert,
  'own.key': own.key,
  'operator.pem': operator.cert,
  'operator.key': operator.key,
  'stranger.pem': stranger.cert,
  'stranger.key': stranger.key,
};

const folder = mkdtempSync(join(tmpdir(), 'weldr-command-tls-'));
for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
test.after(() => rmSync(folder, { recursive: true }));

const from = (given: Partial<AdminTlsFiles>): AdminTlsFiles => {
  const path = (name: string | undefined) => (name === undefined ? undefined : join(folder, name));
  return { ca: path(given.ca), cert: path(given.cert), key: path(given.key) };
};
const ca = 'authority.pem';
const known = { cert: 'operator.pem', key: 'operator.key' };

/** Returns the error of `weldr servers`, without the folder, and the exit code. */
async function failure(url: string, given: Partial<AdminTlsFiles>): Promise<[text: string, code: number]> {
  try {
    await new AdminClient(url, undefined, from(given)).call({ method: 'GET', path: '/servers' });
  } catch (thrown) {
    if (thrown instanceof CommandError) return [thrown.message.replaceAll(`${folder}/`, ''), thrown.exitCode];
    throw thrown;
  }
  return ['nothing', 0];
}

test('missing and wrong files are named, with the flag for them', async () => {
  const certificates = [{ cert: own.cert, key: own.key }];
  const listen = '127.0.0.1:0';
  const side = await managerSide([
    adminApi({ listen, tls: { certificates, clientAuth: { ca: authority.cert } } }),
  ]);
  const plain = await managerSide(adminApi({ listen }));
  try {
    const [url = ''] = side.logs.flatMap(({ msg }) => /https:\S+/.exec(msg) ?? []);
    const [plainUrl = ''] = plain.logs.flatMap(({ msg }) => /http:\S+/.exec(msg) ?? []);
    const expected: readonly (readonly [string, Partial<AdminTlsFiles>, number, RegExp])[] = [
      [url, { ca, ...known }, 0, /^nothing$/],
      [
        url,
        known,
        69,
        /is not signed by an authority that this command trusts \(.*\): .* with --admin-ca FILE or WELDR_ADMIN_CA$/,
      ],
      [url, { ...known, ca: 'stranger.pem' }, 69, /is not signed by an authority in stranger\.pem \(/],
      [
        url,
        { ca },
        69,
        /asks for a certificate: pass one with --admin-cert FILE and --admin-key FILE, or WELDR_ADMIN_CERT/,
      ],
      [
        url,
        { ca, cert: 'stranger.pem', key: 'stranger.key' },
        69,
        /closes the connection \(.*\), as it does when it refuses a certificate: is stranger\.pem signed by an authority of/,
      ],
      [
        url.replace('127.0.0.1', 'localhost'),
        { ca, ...known },
        69,
        /is not for localhost \(.*\): use one of its names in --admin-url/,
      ],
      [url.replace('https:', 'http:'), {}, 1, /answers 400 without JSON: it speaks TLS, use https:\/\/127/],
      [plainUrl.replace('http:', 'https:'), {}, 69, /does not speak TLS: use http:\/\/127/],
      [url, { ca: 'operator.key' }, 1, /^--admin-ca or WELDR_ADMIN_CA: operator\.key holds no certificate/],
      [url, { ca: 'nothing' }, 1, /^--admin-ca or WELDR_ADMIN_CA cannot be read: /],
      [url, { cert: 'operator.pem' }, 2, /go together; --admin-key or WELDR_ADMIN_KEY is missing$/],
      [
        url,
        { cert: 'operator.pem', key: 'stranger.key' },
        1,
        /^--admin-key or WELDR_ADMIN_KEY: stranger\.key is not the key of operator\.pem$/,
      ],
    ];
    for (const [address, given, code, said] of expected) {
      const [text, exitCode] = await failure(address, given);
      assert.match(text, said);
      assert.is(exitCode, code, text);
    }
  } finally {
    await side.close();
    await plain.close();
  }
});

test('commands reach the API of a running Weldr by flags and by variables', async () => {
  const config = `
    import { defineConfig } from 'weldr';
    import { adminApi, roundRobin } from 'weldr/plugins';
    export default defineConfig({
      listen: '127.0.0.1:0', workers: 0,
      plugins: [roundRobin(), adminApi({ listen: '127.0.0.1:0', tls: {
        certificates: [{ cert: 'own.pem', key: 'own.key' }],
        clientAuth: { ca: 'authority.pem', mode: 'require' },
      } })],
    });`;
  const weldr = await startWeldr({ config, files });
  try {
    const flags = [
      '--admin-ca',
      'authority.pem',
      '--admin-cert',
      'operator.pem',
      '--admin-key',
      'operator.key',
    ];
    const env = {
      WELDR_ADMIN: weldr.adminUrl,
      WELDR_ADMIN_CA: 'authority.pem',
      WELDR_ADMIN_CERT: 'operator.pem',
      WELDR_ADMIN_KEY: 'operator.key',
    };
    const [added, listed] = await Promise.all([
      runWeldr(['servers', 'add', 'http://127.0.0.1:12345', '--admin-url', weldr.adminUrl, ...flags], {
        cwd: folder,
      }),
      runWeldr(['servers'], { cwd: folder, env }),
    ]);
    assert.equal([added.code, added.stderr, listed.code, listed.stderr], [0, '', 0, '']);
    const line = await weldr.logged(({ msg }) => msg.includes('127.0.0.1:12345'));
    assert.match(JSON.stringify(line), '127.0.0.1 with the certificate CN=operator');
  } finally {
    await weldr.stop();
  }
});
