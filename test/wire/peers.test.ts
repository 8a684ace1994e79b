// Other programs as clients: curl, nghttp, h2load and openssl. `peers.slow.test.ts` has larger ones.
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { isThere, largeSize, type PeerEnds, startPeerEnds, testWhere } from './support/peer-ends.ts';

const test = suite('peers as clients', { testTimeoutMs: 60_000 });
const where = testWhere(test);

let ends: PeerEnds;
test.before(async () => {
  ends = await startPeerEnds();
});
test.after(() => ends.close());

const secure = (of: PeerEnds): string => of.secure;
const clear = (of: PeerEnds): string => of.clear;
const hostOf = (url: string): string => new URL(url).host;

for (const [what, version, url, args] of [
  ['HTTP/1.1 over TLS', '1.1', secure, ['--http1.1']],
  ['HTTP/2 over TLS', '2', secure, ['--http2']],
  ['HTTP/2 without TLS', '2', clear, ['--http2-prior-knowledge']],
  ['HTTP/1.1 when it asks for h2c by Upgrade', '1.1', clear, ['--http2']],
] as const) {
  where(
    isThere('curl'),
    'curl is not installed',
    `curl downloads and uploads, small and large: ${what}`,
    async () => {
      const curl = (...more: string[]) =>
        ends.run('curl', '-sS', '--fail', '--cacert', 'ca.pem', ...args, '-w', ' %{http_version}', ...more);
      assert.is(await curl(`${url(ends)}/small`), `hello ${version}`);
      assert.is(await curl('-I', '-o', 'head', `${url(ends)}/small`), ` ${version}`);
      assert.is((await curl(`${url(ends)}/large`)).length, largeSize + 1 + version.length);
      const echoed = await curl('--data-binary', '@large', `${url(ends)}/echo`);
      assert.is(echoed, `${'x'.repeat(largeSize)} ${version}`);
      // curl 7.88 of Debian 12 confuses requests on one connection that it opens with HTTP/2, with any server.
      if (args[0] === '--http2-prior-knowledge') return;
      const urls = Array.from({ length: 20 }, (_, n) => `${url(ends)}/small?${n}`);
      assert.is((await curl('--parallel', ...urls)).split('hello').length, 21);
    },
  );
}

where(
  isThere('nghttp'),
  'nghttp2-client is not installed',
  'nghttp sends, gets responses and reports no error',
  async () => {
    for (const url of [ends.secure, ends.clear]) {
      const said = await ends.run(
        'nghttp',
        '--stat',
        '--data=large',
        '--no-verify-peer',
        '-m3',
        `${url}/echo`,
      );
      assert.ok(said.split('x').length > 3 * largeSize, said.slice(-500));
      const frames = await ends.run('nghttp', '-vn', '--no-verify-peer', `${url}/small`, `${url}/large`);
      assert.match(frames, /recv \(stream_id=\d+\) :status: 200/);
      assert.not.match(frames, /RST_STREAM|error_code=(?!NO_ERROR)/);
    }
  },
);

where(
  isThere('h2load'),
  'nghttp2-client is not installed',
  'h2load has no failed request in thousands',
  async () => {
    for (const url of [ends.secure, ends.clear]) {
      for (const [requests, more] of [
        [1_000, [`${url}/small`]],
        [10, [`${url}/large`]],
        [10, ['-d', 'large', `${url}/echo`]],
        [200, ['--h1', `${url}/small`]],
      ] as const) {
        const said = await ends.run('h2load', '-n', `${requests}`, '-c', '5', '-m', '10', ...more);
        assert.match(said, `${requests} succeeded, 0 failed, 0 errored, 0 timeout`);
        assert.match(said, `status codes: ${requests} 2xx`);
      }
    }
  },
);

where(
  isThere('openssl'),
  'openssl is not installed',
  'openssl finds neither old versions nor weak ciphers',
  async () => {
    const client = async (...args: string[]): Promise<string> => {
      const command = 'echo | openssl s_client "$@" 2>&1 || true';
      return await ends.run('bash', '-c', command, 'bash', '-connect', `${hostOf(ends.secure)}`, ...args);
    };
    for (const [version, cipher] of [
      ['-tls1', 'ALL:@SECLEVEL=0'],
      ['-tls1_1', 'ALL:@SECLEVEL=0'],
      ...[
        'AES128-SHA',
        'AES256-GCM-SHA384',
        'ECDHE-ECDSA-AES128-SHA',
        'ECDHE-ECDSA-AES256-SHA384',
        'DHE',
        '3DES',
        'NULL',
        'aNULL',
        'RC4',
        'PSK',
        'CAMELLIA',
        'ARIA',
        'CCM',
      ].map(name => ['-tls1_2', `${name}:@SECLEVEL=0`]),
    ] as [string, string][]) {
      assert.match(
        await client(version, '-cipher', cipher),
        /alert|no cipher match|no ciphers available|no protocols/i,
        cipher,
      );
    }
    assert.match(await client('-alpn', 'h2,http/1.1'), 'ALPN protocol: h2');
    assert.match(await client('-alpn', 'http/1.1'), 'ALPN protocol: http/1.1');
    assert.match(await client('-alpn', 'ftp'), /no application protocol/);
    assert.match(await client('-tls1_2'), /Secure Renegotiation IS supported[\s\S]*Compression: NONE/);
  },
);
