// X-Forwarded-Client-Cert: what it says about a certificate, and that a certificate cannot make it say more.
import { execFileSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import * as assert from 'uvu/assert';
import { clientCertificateElement } from '../../../../core/http/exchange/client-certificate.ts';
import { settingsSchema } from '../../../../core/settings/settings.ts';
import { inFolder, makeCertificate } from '../../../support/authority.ts';
import { suite } from '../../../support/suite.ts';

const test = suite('X-Forwarded-Client-Cert');

/** A certificate with this subject, in openssl's form, and these alternative names. */
function certificateOf(subject: string, names: readonly string[]): X509Certificate {
  return inFolder((folder, write) => {
    const alternatives =
      names.length > 0 ? `[v]\nsubjectAltName=@names\n[names]\n${names.join('\n')}\n` : '[v]\n';
    write('config', `[req]\ndistinguished_name=none\n[none]\n${alternatives}`);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key'];
    const name = ['-utf8', '-multivalue-rdn', '-subj', subject];
    const pem = execFileSync(
      'openssl',
      ['req', '-x509', ...key, ...name, '-extensions', 'v', '-config', 'config'],
      { cwd: folder, stdio: 'pipe' },
    );
    return new X509Certificate(pem);
  });
}

const hashOf = ({ raw }: X509Certificate): string => createHash('sha256').update(raw).digest('hex');

test('it has the hash, the subject, and the alternative names of kinds that name a service', () => {
  const names = [
    'URI.1=spiffe://shop.test/api',
    'DNS.1=api.test',
    'DNS.2=*.api.test',
    'email.1=a@b.test',
    'IP.1=::1',
  ];
  const certificate = certificateOf('/C=DE/O=Example/CN=api', names);
  assert.is(
    clientCertificateElement(certificate, false),
    `Hash=${hashOf(certificate)};Subject="CN=api,O=Example,C=DE";URI=spiffe://shop.test/api;DNS=api.test;DNS=*.api.test`,
  );
});

test('the certificate itself is percent-encoded, and decodes to the original', () => {
  const { cert } = makeCertificate({ names: ['api.test'] });
  const certificate = new X509Certificate(cert);
  const [, whole = ''] = /;Cert="([^"]*)";Subject="CN=api.test";DNS=api.test$/.exec(
    clientCertificateElement(certificate, true),
  ) ?? [''];
  assert.is(decodeURIComponent(whole), certificate.toString());
});

test('no character of a name ends its value: quotes, separators, line breaks, letters beyond ASCII', () => {
  const subject = '/O= #A "q";Hash=0 \\\\ b, c=é\nx<> /CN=n+OU=m';
  const certificate = certificateOf(subject, ['URI.1="spiffe://q\\";Hash=0,DNS=evil"', 'DNS.1=a.test']);
  assert.is(
    clientCertificateElement(certificate, false),
    `Hash=${hashOf(certificate)};Subject="OU=m+CN=n,O=\\ #A \\"q\\"\\;Hash=0 \\\\ b\\, c=\\C3\\A9\\0Ax\\<\\>\\ "` +
      ';URI="spiffe://q\\";Hash=0,DNS=evil";DNS=a.test',
  );
});

test('an empty subject stays empty, and invalid names are left out', () => {
  const certificate = certificateOf('/', ['URI.1="spiffe://a b"', 'DNS.1=a.test']);
  assert.is(
    clientCertificateElement(certificate, false),
    `Hash=${hashOf(certificate)};Subject="";DNS=a.test`,
  );
});

test("it is added in mode 'append' only", () => {
  for (const mode of ['preserve', 'remove']) {
    const { error } = settingsSchema.safeParse({ forwarded: { mode, clientCertificate: true } });
    assert.match(error?.issues[0]?.message ?? '', `needs mode: 'append'; '${mode}' adds nothing`);
    assert.ok(settingsSchema.safeParse({ forwarded: { mode, clientCertificate: false } }).success);
  }
});
