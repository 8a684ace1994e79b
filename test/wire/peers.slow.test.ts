// Larger programs as clients: Java, Python's httpx, Chromium; nginx and HAProxy in front.
import { spawn, spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { certificate } from '../support/certificate.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { isThere, largeSize, type PeerEnds, startPeerEnds, testWhere } from './support/peer-ends.ts';

const test = suite('larger peers as clients', { timeoutMs: 400_000, testTimeoutMs: 100_000 });
const where = testWhere(test);
const systemPython = '/usr/bin/python3';

let ends: PeerEnds;
test.before(async () => {
  ends = await startPeerEnds();
});
test.after(() => ends.close());

const hostOf = (url: string): string => new URL(url).host;

where(
  isThere('java'),
  'java is not installed',
  'Java speaks both protocols, and sends on many streams',
  async () => {
    const program = fileURLToPath(new URL('peers/Peer.java', import.meta.url));
    const flags = ['-Djdk.internal.httpclient.disableHostnameVerification', '-XX:TieredStopAtLevel=1'];
    const said = await ends.run('java', ...flags, program, ends.secure);
    assert.is(said, 'HTTP_1_1 200 hello\nHTTP_2 200 hello\nechoed 40000000\n');
  },
);

const httpx = `
import asyncio, httpx, sys
async def main():
    async with httpx.AsyncClient(http2=True, verify=sys.argv[2], timeout=50) as client:
        answer = await client.get(sys.argv[1] + '/small')
        print(answer.http_version, answer.text)
        answers = await asyncio.gather(*[client.post(sys.argv[1] + '/echo', content=b'x' * 300_000) for n in range(10)])
        print(sum(len(answer.content) for answer in answers), {answer.http_version for answer in answers})
asyncio.run(main())
`;
const hasHttpx = spawnSync(systemPython, ['-c', 'import httpx, h2']).status === 0;
where(
  hasHttpx,
  'python3-httpx and python3-h2 are not installed',
  "Python's httpx sends on many streams",
  async () => {
    assert.is(
      await ends.run(systemPython, '-c', httpx, ends.secure, 'ca.pem'),
      "HTTP/2 hello\n3000000 {'HTTP/2'}\n",
    );
  },
);

/** Runs a proxy in front, and sends it requests. */
async function behind(
  command: string,
  args: string[],
  port: number,
  use: () => Promise<void>,
): Promise<void> {
  const child = spawn(command, args, { cwd: ends.folder, stdio: 'ignore' });
  try {
    await until(`${command} answers`, async () => {
      try {
        return (await fetch(`http://127.0.0.1:${port}/small`)).ok;
      } catch {
        return false;
      }
    });
    await use();
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

/** Sends 200 requests of all kinds through the proxy in front. */
async function askMuch(port: number, via: string): Promise<void> {
  ends.via.length = 0;
  const body = Buffer.alloc(100_000, 'z');
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, n) => {
      const init = n % 4 === 3 ? { method: 'POST', body } : {};
      const path = n % 4 === 3 ? 'echo' : n % 50 === 0 ? 'large' : 'small';
      const answer = await fetch(`http://127.0.0.1:${port}/${path}`, init);
      return [path, (await answer.arrayBuffer()).byteLength] as const;
    }),
  );
  for (const [path, size] of answers)
    assert.is(size, { echo: 100_000, large: largeSize, small: 5 }[path], path);
  assert.is(ends.via.length, 200);
  assert.equal([...new Set(ends.via)], [via]);
}

where(
  isThere('nginx'),
  'nginx is not installed',
  'nginx in front, over TLS, gets a response to each of its requests',
  async () => {
    const port = await freePort();
    writeFileSync(
      join(ends.folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${ends.folder}/nginx.pid; error_log ${ends.folder}/nginx.log;
     events {}
     http {
       access_log off; client_body_temp_path ${ends.folder}/body; proxy_temp_path ${ends.folder}/proxy; fastcgi_temp_path ${ends.folder}/f;
       uwsgi_temp_path ${ends.folder}/u; scgi_temp_path ${ends.folder}/s; client_max_body_size 0;
       upstream weldr { server ${hostOf(ends.secure)}; keepalive 8; }
       server {
         listen 127.0.0.1:${port};
         location / {
           proxy_pass https://weldr; proxy_http_version 1.1; proxy_set_header Connection "";
           proxy_ssl_verify on; proxy_ssl_trusted_certificate ${ends.folder}/ca.pem; proxy_ssl_name origin.test;
           proxy_ssl_server_name on;
         }
       }
     }`,
    );
    const args = ['-p', ends.folder, '-c', join(ends.folder, 'nginx.conf')];
    await behind('nginx', args, port, () => askMuch(port, '1.1 weldr'));
  },
);

for (const [what, server, via] of [
  [
    'HTTP/2 over TLS',
    () => `${hostOf(ends.secure)} ssl verify required ca-file ca.pem verifyhost origin.test alpn h2`,
    '2.0 weldr',
  ],
  [
    'HTTP/1.1 over TLS',
    () => `${hostOf(ends.secure)} ssl verify required ca-file ca.pem verifyhost origin.test`,
    '1.1 weldr',
  ],
  ['HTTP/2 without TLS', () => `${hostOf(ends.clear)} proto h2`, '2.0 weldr'],
] as const) {
  where(
    isThere('haproxy'),
    'haproxy is not installed',
    `HAProxy in front gets a response to each of its requests: ${what}`,
    async () => {
      const port = await freePort();
      writeFileSync(
        join(ends.folder, 'haproxy.cfg'),
        `global
  maxconn 400
defaults
  mode http
  timeout connect 20s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:${port}
  default_backend weldr
backend weldr
  server weldr ${server()}
`,
      );
      await behind('haproxy', ['-db', '-f', 'haproxy.cfg'], port, () => askMuch(port, via));
    },
  );
}

/** Fetches all kinds of resources, and records what it received and over which protocol. */
const page = `<!doctype html><title>waiting</title><script type="module">
const size = async (path, init) => (await (await fetch(path, init)).arrayBuffer()).byteLength;
const many = await Promise.all(Array.from({ length: 100 }, (_, n) => size('/small?' + n)));
const large = await size('/large');
const echoed = await size('/echo', { method: 'POST', body: new Uint8Array(2000000) });
const protocols = new Set(performance.getEntriesByType('resource').map(entry => entry.nextHopProtocol));
document.body.textContent = 'got ' + many.join('').length + ' ' + large + ' ' + echoed + ' ' + [...protocols];
</script><body></body>`;

where(
  isThere('chromium'),
  'chromium is not installed',
  'Chromium fetches and sends over HTTP/2, with a certificate that it is told to trust',
  async () => {
    ends.pages.set('/page', page);
    const key = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
    const pin = createHash('sha256').update(key).digest('base64');
    const dom = await ends.run(
      'chromium',
      ...[
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-sync',
      ],
      ...['--disable-background-networking', '--disable-component-update', '--disable-dev-shm-usage'],
      `--user-data-dir=${join(ends.folder, 'chromium')}`,
      `--ignore-certificate-errors-spki-list=${pin}`,
      ...['--virtual-time-budget=20000', '--dump-dom', `${ends.secure}/page`],
    );
    assert.match(dom, `got 100 ${largeSize} 2000000 h2<`);
  },
);
