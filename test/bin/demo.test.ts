// `npm start`: what it starts, prints and leaves behind; and the test origin.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { startTestOrigin, type TestOrigin } from '../../bin/test-origin.ts';
import { freePort } from '../support/ports.ts';
import { childrenOf, isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';

const test = suite('demo');

const project = resolve(fileURLToPath(import.meta.url), '../../..');

interface Demo {
  readonly child: ChildProcess;
  readonly pid: number;
  output(): string;
  end(): void;
}

/** Starts the demo in a separate folder, for its pool file. */
function startDemo(...args: string[]): Demo {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-test-'));
  const child = spawn(process.execPath, ['-C', 'weldr-source', join(project, 'bin/demo.ts'), ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', text => {
      output += text;
    });
  }
  return {
    child,
    pid: child.pid ?? 0,
    output: () => output,
    end() {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const httpsAnywhere = ['--https-ip', `127.0.0.1:${await freePort()}`];

test('proxies to two origins that registered themselves, and Ctrl-C leaves nothing running', async () => {
  const admin = `127.0.0.1:${await freePort()}`;
  const demo = startDemo(...httpsAnywhere, '--ip', '127.0.0.1:0', '--admin-ip', admin, '--workers', '1');
  try {
    await until('it says that it is up', () => demo.output().includes('Ctrl-C ends the demo'), 30_000);
    const [, proxy = '', secure = ''] = /Weldr proxies +(\S+) +(\S+)/.exec(demo.output()) ?? [];
    const curl = promisify(execFile);
    const { stdout } = await curl('curl', ['-sk', '--http2', '-w', ' over HTTP/%{http_version}', secure]);
    assert.match(stdout, /^Hello World from (one|two) over HTTP\/2$/);
    const answers = new Set<string>();
    for (let i = 0; i < 4; i++) answers.add(await (await fetch(proxy)).text());
    assert.equal([...answers].sort(), ['Hello World from one', 'Hello World from two']);
    const { servers } = JSON.parse(await (await fetch(`http://${admin}/servers`)).text());
    assert.equal(
      servers.map((server: { layer: string }) => server.layer),
      ['api', 'api'],
    );
    const address = /^Dashboard +(\S+)\n$/m.exec(demo.output())?.[1] ?? '';
    assert.ok(demo.output().endsWith(`${address}\n`), 'the last line is the address of the dashboard');
    assert.match((await fetch(address)).headers.get('content-security-policy') ?? '', "default-src 'none'");
    await until('there is something to see', async () => (await loadOf(admin)) > 5);
    const all = childrenOf(demo.pid);
    assert.is(all.length, 3);
    demo.child.kill('SIGINT');
    const [code] = await once(demo.child, 'exit');
    assert.is(code, 0);
    await until('all have ended', () => !all.some(isRunning));
  } finally {
    demo.end();
  }
});

async function loadOf(admin: string): Promise<number> {
  const { client } = JSON.parse(await text(`http://${admin}/stats`));
  return client.success;
}

test('says when a port is in use, and how to choose another one', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const taken = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const cases = [
    ['--ip', taken, '--admin-ip', `127.0.0.1:${await freePort()}`],
    ['--ip', '127.0.0.1:0', '--admin-ip', taken],
  ];
  try {
    for (const flags of cases) {
      const demo = startDemo(...httpsAnywhere, ...flags);
      try {
        const [code] = await once(demo.child, 'exit');
        assert.is(code, 1);
        assert.match(demo.output(), taken);
        assert.match(demo.output(), 'taken');
        assert.match(demo.output(), flags[1] === taken ? '--ip' : '--admin-ip');
      } finally {
        demo.end();
      }
    }
  } finally {
    holder.close();
  }
});

async function withOrigin(use: (url: string) => Promise<void>): Promise<void> {
  const origin: TestOrigin = await startTestOrigin('127.0.0.1', 0);
  try {
    await use(`http://127.0.0.1:${origin.port}`);
  } finally {
    await origin.close();
  }
}

const text = async (url: string, init?: RequestInit): Promise<string> =>
  await (await fetch(url, init)).text();

test('the test server answers as its list of paths says', async () => {
  await withOrigin(async url => {
    assert.is(await text(`${url}/`), 'Hello World');
    assert.is((await text(`${url}/large`)).length, 102_400);
    assert.is(await text(`${url}/echo`, { method: 'POST', body: 'what I sent' }), 'what I sent');
    assert.is(await text(`${url}/method`, { method: 'PUT' }), 'PUT');
    const chunked = await fetch(`${url}/chunked`);
    assert.is(chunked.headers.get('transfer-encoding'), 'chunked');
    assert.match(await chunked.text(), 'piece 10');
    assert.is(await text(`${url}/slow?ms=20`), 'slow');
    assert.is((await fetch(`${url}/status/503`)).status, 503);
    assert.is((await fetch(`${url}/status/1`)).status, 400);
    const headers = JSON.parse(await text(`${url}/headers`, { headers: { 'x-a': 'b' } }));
    assert.is(headers['x-a'], 'b');
    assert.is((await fetch(`${url}/nowhere`)).status, 404);
  });
});

test('the health check of the test server fails and passes when told to', async () => {
  await withOrigin(async url => {
    await text(`${url}/health/fail`, { method: 'POST' });
    assert.is((await fetch(`${url}/`)).status, 503);
    assert.is((await fetch(`${url}/health`)).status, 503);
    assert.is((await fetch(`${url}/large`)).status, 200);
    assert.is((await fetch(`${url}/health/pass`)).status, 405);
    await text(`${url}/health/pass`, { method: 'POST' });
    assert.is((await fetch(`${url}/health`)).status, 200);
  });
});
