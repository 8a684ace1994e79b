// TLS of a running Weldr: certificates that change, sessions resumed on any worker, and wrong configs.
import { execFile } from 'node:child_process';
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { type MadeCertificate, makeCertificate } from '../support/authority.ts';
import { startOrigin } from '../support/origin.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { makeFolder, runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('TLS of a listener');

const config = (server: string, more = '') => `
  import { defineConfig } from 'weldr';
  import { adminApi, roundRobin } from 'weldr/plugins';
  export default defineConfig({
    listen: [{
      address: '127.0.0.1:0',
      tls: { certificates: [{ cert: 'shop.pem', key: 'shop.key' }, { cert: 'api.pem', key: 'api.key' }] ${more} },
    }],
    workers: 2, servers: ['${server}'], plugins: [roundRobin()],
  });`;

const shop = makeCertificate({ names: ['shop.test'] });
const api = makeCertificate({ names: ['api.test'], keyType: 'rsa' });

const put = (folder: string, name: string, { cert, key }: MadeCertificate): void => {
  // As certbot does: another file under the name, and the key after the certificate.
  writeFileSync(join(folder, 'next'), cert);
  renameSync(join(folder, 'next'), join(folder, `${name}.pem`));
  writeFileSync(join(folder, `${name}.key`), key);
};

async function withWeldr(use: (weldr: TestWeldr, port: number) => Promise<void>): Promise<void> {
  const folder = makeFolder();
  put(folder, 'shop', shop);
  put(folder, 'api', api);
  const origin = await startOrigin({ name: 'here' });
  const weldr = await startWeldr({ config: config(origin.url), folder });
  try {
    await use(weldr, Number(new URL(weldr.url).port));
  } finally {
    await weldr.stop();
    await origin.close();
    rmSync(folder, { recursive: true });
  }
}

/** Days until the certificate for a name ends. */
async function daysOf(port: number, servername: string): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false });
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  const end = Date.parse(socket.getPeerCertificate().valid_to);
  socket.destroy();
  return Math.round((end - Date.now()) / 86_400_000);
}

/** A client that connects 20 times and resumes the session of its last connection, if there is one. */
const resuming = `
import socket, ssl, sys
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, sys.argv[2])
session = None
for line in sys.stdin:
    resumed = 0
    for n in range(20):
        s = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), server_hostname='shop.test', session=session)
        s.sendall(b'GET / HTTP/1.1\\r\\nHost: shop.test\\r\\nConnection: close\\r\\n\\r\\n')
        while s.recv(4096): pass
        resumed += s.session_reused
        session = s.session
        s.close()
    print(resumed, flush=True)
`;

for (const version of ['TLSv1_2', 'TLSv1_3']) {
  test(`a session is resumed on any worker, over a reload and a worker's death: ${version}`, async () => {
    await withWeldr(async (weldr, port) => {
      const child = execFile('python3', ['-c', resuming, String(port), version]);
      let said = '';
      child.stdout?.on('data', text => {
        said += text;
      });
      const round = async (): Promise<number> => {
        const before = said.split('\n').length;
        child.stdin?.write('go\n');
        await until('a round', () => said.split('\n').length > before);
        return Number(said.split('\n').at(-2));
      };
      try {
        assert.is(await round(), 19);
        weldr.signal('SIGHUP');
        await weldr.logged(({ msg }) => msg === 'reloaded');
        assert.is(await round(), 20);
        const [victim = 0] = weldr.workers();
        process.kill(victim, 'SIGKILL');
        await until(
          'it is replaced',
          () => weldr.workers().length === 2 && !weldr.workers().includes(victim),
        );
        assert.is(await round(), 20);
      } finally {
        child.stdin?.end();
        await new Promise(resolve => child.once('exit', resolve));
      }
    });
  });
}

test('a certificate whose file is replaced is shown without a reload, and a wrong one is not', async () => {
  await withWeldr(async (weldr, port) => {
    assert.equal([await daysOf(port, 'shop.test'), await daysOf(port, 'api.test')], [365, 365]);
    put(weldr.folder, 'shop', makeCertificate({ names: ['shop.test'], days: 90 }));
    await weldr.logged(({ msg }) => msg === 'certificate shop.test is new');
    await until('all workers show it', async () => {
      const seen = await Promise.all([1, 2, 3, 4, 5, 6].map(() => daysOf(port, 'shop.test')));
      return seen.every(days => days === 90);
    });
    writeFileSync(join(weldr.folder, 'shop.pem'), api.cert);
    const said = await weldr.logged(({ msg }) => msg.startsWith('the certificates stay as they were: '));
    assert.match(said.msg, 'listen[0].tls.certificates[0].key: shop.key is not the key of `cert`');
    assert.is(await daysOf(port, 'shop.test'), 90);
  });
});

test('the start and weldr check warn of a certificate that expires soon or has expired', async () => {
  await withWeldr(async weldr => {
    for (const [days, expected] of [
      [10, /^the certificate shop\.test expires in 10 days, on \d{4}-\d\d-\d\d; renew it$/],
      [-1, /^the certificate shop\.test expired on \d{4}-\d\d-\d\d; renew it$/],
    ] as const) {
      put(weldr.folder, 'shop', makeCertificate({ names: ['shop.test'], days }));
      const { code, stderr } = await runWeldr(['check'], { cwd: weldr.folder });
      assert.is(code, 0);
      assert.match(stderr.replace('weldr: warning: ', '').trim(), expected);
      await weldr.logged(({ msg }) => expected.test(msg));
    }
  });
});

test('a config whose certificate cannot be used is refused by check, start and reload', async () => {
  await withWeldr(async weldr => {
    rmSync(join(weldr.folder, 'api.key'));
    const problem = /listen\[0\]\.tls\.certificates\[1\]\.key: cannot be read: ENOENT.*'api\.key'/;
    for (const command of ['check', 'start']) {
      const { code, stderr } = await runWeldr([command], { cwd: weldr.folder });
      assert.is(code, 78);
      assert.match(stderr, problem);
      assert.is(stderr.trim().split('\n').length, 1);
    }
    weldr.signal('SIGHUP');
    await weldr.logged(({ msg }) => msg.startsWith('the reload changed nothing') && problem.test(msg));
  });
});

test('curl and openssl are served, without old protocols or ciphers', async () => {
  await withWeldr(async (weldr, port) => {
    const run = promisify(execFile);
    const { stdout } = await run('curl', [
      ...['-s', '--cacert', join(weldr.folder, 'shop.pem'), '--resolve', `shop.test:${port}:127.0.0.1`],
      `https://shop.test:${port}/`,
    ]);
    assert.is(stdout, 'here');
    const client = async (...args: string[]): Promise<string> => {
      const { stdout: out, stderr } = await run('bash', [
        '-c',
        'echo | openssl s_client "$@" 2>&1 || true',
        'bash',
        ...['-connect', `127.0.0.1:${port}`, '-servername', 'shop.test', ...args],
      ]);
      return out + stderr;
    };
    assert.match(await client('-tls1_3'), 'New, TLSv1.3, Cipher is TLS_');
    assert.match(await client('-tls1_2'), 'New, TLSv1.2, Cipher is ECDHE-');
    assert.match(await client('-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'), 'alert protocol version');
    assert.match(await client('-tls1_2', '-cipher', 'AES128-SHA'), 'handshake failure');
  });
});
