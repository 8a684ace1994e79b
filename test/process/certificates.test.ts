// Certificates that change while Weldr runs: all workers show them once the call is answered, and a restart keeps them.
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, get, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import { encryptedKey, type MadeCertificate, makeCertificate } from '../support/authority.ts';
import { type Origin, startOrigin } from '../support/origin.ts';
import { freePort } from '../support/ports.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';

const test = suite('certificates that change', { timeoutMs: 240_000 });

const shop = makeCertificate({ names: ['shop.test'] });
const next = makeCertificate({ names: ['shop.test'], days: 90 });
const api = makeCertificate({ names: ['api.test'], days: 10 });

let origin: Origin;
let weldr: TestWeldr;
let text: string;
/** The port of the listener without own certificates. */
let openPort: number;

const config = (server: string, open: number, admin: number) => `
  import { defineConfig } from 'weldr';
  import { adminApi, metrics, poolFile, roundRobin } from 'weldr/plugins';
  export default defineConfig({
    listen: [
      { name: 'public', address: '127.0.0.1:0', tls: { certificates: [{ cert: 'shop.pem', key: 'shop.key' }] } },
      { name: 'open', address: '127.0.0.1:${open}', tls: {} },
    ],
    workers: 2, servers: ['${server}'],
    plugins: [
      roundRobin(), metrics(), poolFile({ path: 'pool.json', keyFile: 'key' }), adminApi({ listen: '127.0.0.1:${admin}' }),
    ],
  });`;

test.before(async () => {
  origin = await startOrigin({ name: 'here' });
  openPort = await freePort();
  text = config(origin.url, openPort, await freePort());
  weldr = await startWeldr({ config: text, files: { 'shop.pem': shop.cert, 'shop.key': shop.key } });
});
test.after(async () => {
  await weldr.stop();
  rmSync(weldr.folder, { recursive: true, force: true });
  await origin.close();
});

const publicPort = (): number => Number(new URL(weldr.url).port);

async function put(name: string, pair: MadeCertificate): Promise<number> {
  const url = `${weldr.adminUrl}/certificates/${name}`;
  return (await fetch(url, { method: 'PUT', body: JSON.stringify(pair) })).status;
}

async function remove(name: string, query = ''): Promise<number> {
  return (await fetch(`${weldr.adminUrl}/certificates/${name}${query}`, { method: 'DELETE' })).status;
}

async function opened(port: number, servername: string, session?: Buffer): Promise<TLSSocket> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername,
    rejectUnauthorized: false,
    ...(session !== undefined && { session }),
  });
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  return socket;
}

/**
 * What eight new clients see: the name and days left, or why they are refused. Eight nearly always reach both workers.
 */
async function seen(port: number, servername: string): Promise<string[]> {
  const all = await Promise.all(
    Array.from({ length: 8 }, async () => {
      try {
        const socket = await opened(port, servername);
        const { subject, valid_to: end } = socket.getPeerCertificate();
        socket.destroy();
        return `${subject.CN} ${Math.round((Date.parse(end) - Date.now()) / 86_400_000)}`;
      } catch (thrown) {
        return String(Object(thrown).code);
      }
    }),
  );
  return [...new Set(all)];
}

const refused = ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME'];

test('a certificate that is put is shown by all workers once the call is answered, as is its removal', async () => {
  assert.equal(await seen(openPort, 'api.test'), refused);
  assert.equal(await seen(publicPort(), 'api.test'), ['shop.test 365']);
  assert.is(await put('api.test', api), 201);
  assert.equal(await seen(openPort, 'api.test'), ['api.test 10']);
  assert.equal(await seen(publicPort(), 'api.test'), ['api.test 10']);
  assert.equal(await seen(openPort, 'shop.test'), ['shop.test 365'], 'the certificate of another listener');
  await weldr.logged(({ msg }) => /^the certificate api\.test expires in 10 days/.test(msg));
  const metrics = await (await fetch(`${weldr.adminUrl}/metrics`)).text();
  assert.match(metrics, /^weldr_certificate_not_after_seconds\{certificate="api\.test"\} \d{10}$/m);
  assert.is(await remove('api.test'), 204);
  assert.equal(await seen(openPort, 'api.test'), refused);
});

test("a certificate shadows the config's, cuts no connection, and sessions of the one before are not resumed", async () => {
  const before = await opened(publicPort(), 'shop.test');
  const session = new Promise<Buffer>(resolve => before.once('session', resolve));
  const answers: string[] = [];
  before.on('data', chunk => answers.push(String(chunk)));
  const ask = () => before.write('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n');
  ask();
  await until('an answer', () => answers.join('').includes('here'));
  assert.is(await put('shop.test', next), 200);
  assert.equal(await seen(publicPort(), 'shop.test'), ['shop.test 90']);
  assert.equal(await seen(publicPort(), 'nobody.test'), ['shop.test 90'], 'it is the default in its place');
  const again = await opened(publicPort(), 'shop.test', await session);
  assert.not(again.isSessionReused());
  again.destroy();
  ask();
  await until('an answer of the old connection', () => answers.join('').split('here').length === 3);
  before.destroy();
  assert.is(await remove('shop.test'), 409);
  assert.is(await remove('shop.test', '?override'), 200);
  assert.equal(await seen(publicPort(), 'shop.test'), ['shop.test 365']);
});

test('no request is lost while certificates change', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
  let isOver = false;
  let answered = 0;
  const client = async (options: RequestOptions): Promise<void> => {
    while (!isOver) {
      const response = once(get(weldr.url.replace('http:', 'https:'), options), 'response');
      const [message]: IncomingMessage[] = await response;
      for await (const _ of message ?? []);
      assert.is(message?.statusCode, 200);
      answered++;
    }
  };
  const clients = [{ agent }, { agent }, { agent: false, rejectUnauthorized: false } as const].map(client);
  try {
    for (let n = 0; n < 20; n++) {
      assert.ok((await put('shop.test', n % 2 === 0 ? next : shop)) < 300);
    }
  } finally {
    isOver = true;
    await Promise.all(clients);
    agent.destroy();
  }
  assert.ok(answered > 20);
  assert.is(await remove('shop.test', '?override'), 200);
});

test('a worker that does not react delays no change, and shows it once it reacts', async () => {
  const [stopped = 0] = weldr.workers();
  process.kill(stopped, 'SIGSTOP');
  try {
    assert.is(await put('api.test', api), 201);
  } finally {
    process.kill(stopped, 'SIGCONT');
  }
  assert.equal(await seen(openPort, 'api.test'), ['api.test 10']);
  assert.is(await remove('api.test'), 204);
});

test('the command adds, lists, resets and removes; a restart, a reload and a dead worker keep the certificates', async () => {
  const run = async (...args: string[]): Promise<string> => {
    const env = { WELDR_ADMIN: weldr.adminUrl };
    const { code, stdout, stderr } = await runWeldr(args, { cwd: weldr.folder, env });
    return code === 0 ? stdout : `${code}: ${stderr}`;
  };
  const at = (name: string): string => join(weldr.folder, name);
  writeFileSync(at('next.pem'), next.cert);
  writeFileSync(at('next.key'), encryptedKey(next.key, 'open sesame'));
  writeFileSync(at('passphrase'), 'open sesame\n');
  const add = ['certificates', 'add', 'shop.test', '--cert', 'next.pem', '--key', 'next.key'];
  assert.match(await run(...add), /^1: weldr: key: is encrypted/);
  assert.match(
    await run(...add, '--passphrase-file', 'passphrase'),
    /^shop\.test \(api\) is shown for shop\.test, until \d{4}-\d\d-\d\d \(90 days\)$/m,
  );
  assert.match(await run('certificates'), /^shop\.test +shop\.test +shop\.test +ec +90 +api +public$/m);
  assert.match(await run('certificates', 'remove', 'shop.test'), /^1: .*the config has the certificate/);

  weldr.signal('SIGHUP');
  await weldr.logged(({ msg }) => msg === 'reloaded');
  assert.equal(await seen(openPort, 'shop.test'), ['shop.test 90']);
  const [victim = 0] = weldr.workers();
  process.kill(victim, 'SIGKILL');
  await until('it is replaced', () => weldr.workers().length === 2 && !weldr.workers().includes(victim));
  assert.equal(await seen(openPort, 'shop.test'), ['shop.test 90']);
  const said = [JSON.stringify(weldr.logs), weldr.output];
  await weldr.stop({ keep: true });
  assert.match(
    await run('check'),
    /^operators' changes over the config: 1 shadowing \(certificate shop\.test\)$/m,
  );
  weldr = await startWeldr({ config: text, folder: weldr.folder });
  assert.equal(await seen(publicPort(), 'shop.test'), ['shop.test 90']);
  assert.match(await run('certificates', 'reset', 'shop.test'), /^shop\.test \(config\) is shown/);

  assert.ok(existsSync(at('key')));
  said.push(readFileSync(at('pool.json'), 'utf8'), JSON.stringify(weldr.logs), weldr.output);
  assert.not.match(said.join('\n'), /BEGIN (ENCRYPTED )?PRIVATE KEY/);
});
