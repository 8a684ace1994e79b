// What systemd does for a service, and receives from it: the sockets that it opened, and messages of sd_notify(3).
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { startOrigin } from '../support/origin.ts';
import { freePort, isOpen } from '../support/ports.ts';
import { isRunning } from '../support/processes.ts';
import { suite } from '../support/suite.ts';
import { until } from '../support/until.ts';
import { runWeldr, startWeldr, type TestWeldr } from '../support/weldr.ts';
import { activating, holdSockets } from './held-socket.ts';

const activation = suite('socket activation');

const config = (listen: readonly string[], server: string, workers = 1, adminPort = 0) => `
  import { defineConfig } from 'weldr';
  import { adminApi, roundRobin } from 'weldr/plugins';
  export default defineConfig({
    listen: ${JSON.stringify(listen)}, workers: ${workers}, servers: ['${server}'],
    plugins: [roundRobin(), adminApi({ listen: '127.0.0.1:${adminPort}' })],
  });`;

for (const workers of [0, 2]) {
  activation(`loses no connection over a restart, with ${workers} workers`, async () => {
    const held = await holdSockets('127.0.0.1:0');
    const origin = await startOrigin({ name: 'here' });
    const url = `http://${held.addresses[0]}`;
    const start = async (): Promise<TestWeldr> =>
      await startWeldr({
        config: config(held.addresses, origin.url, workers),
        shell: activating(1),
        descriptors: held.descriptors,
      });
    try {
      const first = await start();
      assert.is(first.url, url);
      assert.is(await (await fetch(url)).text(), 'here');
      assert.is(await first.stop(), 0);
      // No process listens now; connections wait in the backlog.
      const waiting = Promise.all([1, 2, 3].map(async () => await (await fetch(url)).text()));
      const second = await start();
      try {
        assert.equal(await waiting, ['here', 'here', 'here']);
      } finally {
        await second.stop();
      }
    } finally {
      held.close();
      await origin.close();
    }
  });
}

activation(
  'takes TCP and unix sockets of systemd-socket-activate, and the connection that woke it',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weldr-held-'));
    const [tcp, path] = [`127.0.0.1:${await freePort()}`, join(folder, 'http.sock')];
    const origin = await startOrigin({ name: 'here' });
    const weldr = await startWeldr({
      config: config([tcp, `unix:${path}`], origin.url),
      shell: `exec systemd-socket-activate -l ${tcp} -l ${path} "$0" "$@"`,
      noWait: true,
    });
    try {
      await until('it is listened to', async () => await isOpen(tcp));
      assert.is(await (await fetch(`http://${tcp}`)).text(), 'here');
      const sent = request({ socketPath: path, agent: false });
      sent.end();
      const [response] = await once(sent, 'response');
      assert.is(response.statusCode, 200);
      response.resume();
      await once(response, 'end');
    } finally {
      await weldr.stop();
      await origin.close();
    }
    // The file belongs to the service manager, and stays.
    assert.ok(existsSync(path));
    rmSync(folder, { recursive: true });
  },
);

activation('of an address that no entry of listen has causes a warning; the other sockets work', async () => {
  const held = await holdSockets('127.0.0.1:0');
  const weldr = await startWeldr({
    config: config(['127.0.0.1:0'], 'http://127.0.0.1:9'),
    shell: activating(held.descriptors.length),
    descriptors: held.descriptors,
  });
  try {
    const [address] = held.addresses;
    await weldr.logged(({ msg }) =>
      msg.startsWith(`the service manager opened ${address}, but no entry of listen`),
    );
  } finally {
    await weldr.stop();
    held.close();
  }
});

activation('for another process, by LISTEN_PID, is ignored', async () => {
  const weldr = await startWeldr({
    config: config(['127.0.0.1:0'], 'http://127.0.0.1:9'),
    env: { LISTEN_PID: '1', LISTEN_FDS: '3' },
  });
  assert.is(await weldr.stop(), 0);
});

activation('with anything but a listening socket ends with one sentence', async () => {
  const weldr = await startWeldr({
    config: config(['127.0.0.1:0'], 'http://127.0.0.1:9'),
    shell: `${activating(1)}; exec 3</dev/null`,
    noWait: true,
  });
  assert.is(await weldr.exited, 1);
  assert.match(
    weldr.output,
    /^weldr: the service manager passes descriptor 3, which is not a listening stream socket/m,
  );
  await weldr.stop();
});

activation('a reload that removes an address and adds it again uses the same socket', async () => {
  const held = await holdSockets('127.0.0.1:0');
  const origin = await startOrigin({ name: 'here' });
  const [address = ''] = held.addresses;
  const other = `127.0.0.1:${await freePort()}`;
  const weldr = await startWeldr({
    config: config([address], origin.url),
    shell: activating(1),
    descriptors: held.descriptors,
  });
  try {
    for (const [listen, expected] of [
      [other, other],
      [address, address],
    ] as const) {
      const from = weldr.logs.length;
      weldr.writeConfig(config([listen], origin.url));
      weldr.signal('SIGHUP');
      await weldr.logged(({ msg }) => msg === 'reloaded', { from });
      assert.is(await (await fetch(`http://${expected}`)).text(), 'here');
    }
  } finally {
    await weldr.stop();
    held.close();
    await origin.close();
  }
});

const notices = suite('messages to the service manager');

/** Receives the datagrams of a NOTIFY_SOCKET: Node has no such sockets. */
const receiver = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
while True:
    print(s.recv(4096).decode().replace('\\n', ' '), flush=True)
`;

interface Receiver {
  readonly path: string;
  /** One line a message, without those that only ask whether messages were read. */
  readonly lines: readonly string[];
  close(): Promise<void>;
}

async function startReceiver(): Promise<Receiver> {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-notify-'));
  const path = join(folder, 'notify');
  const child: ChildProcess = spawn('python3', ['-c', receiver, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout?.setEncoding('utf8').on('data', chunk => {
    text += chunk;
  });
  await until('the receiver', () => text.includes('bound\n'));
  return {
    path,
    get lines() {
      return text.split('\n').filter(line => /^[A-Z]/.test(line) && !line.startsWith('BARRIER'));
    },
    async close() {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
      rmSync(folder, { recursive: true });
    },
  };
}

notices('report the readiness, a reload and its result, and the stop', async () => {
  const service = await startReceiver();
  const weldr = await startWeldr({
    config: config(['127.0.0.1:0'], 'http://127.0.0.1:9', 1, await freePort()),
    env: { NOTIFY_SOCKET: service.path },
  });
  const said = async (count: number): Promise<string> => {
    await until(`${count} messages`, () => service.lines.length >= count);
    return service.lines[count - 1] ?? '';
  };
  try {
    const address = weldr.url.slice('http://'.length);
    assert.is(await said(1), `READY=1 MAINPID=${weldr.pid} STATUS=listening on ${address}`);
    weldr.signal('SIGHUP');
    assert.match(await said(2), /^RELOADING=1 MONOTONIC_USEC=\d+ STATUS=reading the config$/);
    assert.is(await said(3), `READY=1 MAINPID=${weldr.pid} STATUS=reloaded; listening on ${address}`);
    weldr.writeConfig('export default { lisen: 1 }');
    const answer = await fetch(`${weldr.adminUrl}/reload`, { method: 'POST' });
    assert.is(answer.status, 400);
    assert.match(await said(5), /^READY=1 MAINPID=\d+ STATUS=the last reload changed nothing: .*lisen/);
    await weldr.stop();
    assert.is(await said(6), 'STOPPING=1 STATUS=finishing what is under way');
    assert.is(service.lines.length, 6);
  } finally {
    await weldr.stop();
    await service.close();
  }
});

notices(
  'are not needed for weldr reload, which fails when the config is not valid, and says why',
  async () => {
    const weldr = await startWeldr({ config: config(['127.0.0.1:0'], 'http://127.0.0.1:9') });
    try {
      weldr.writeConfig('export default { lisen: 1 }');
      const { code, stderr } = await runWeldr(['reload'], { env: { WELDR_ADMIN: weldr.adminUrl } });
      assert.is(code, 1);
      assert.match(stderr, /lisen/);
    } finally {
      await weldr.stop();
    }
  },
);

notices('that cannot be sent cause only a warning', async () => {
  const weldr = await startWeldr({
    config: config(['127.0.0.1:0'], 'http://127.0.0.1:9'),
    env: { NOTIFY_SOCKET: '/nowhere/notify' },
  });
  await weldr.logged(({ msg }) => msg.startsWith('the service manager cannot be told that Weldr is ready: '));
  assert.ok(isRunning(weldr.pid));
  assert.is(await weldr.stop(), 0);
});

const units = suite('the units of systemd');

units('are valid, and harden the service', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-units-'));
  try {
    for (const name of ['weldr.service', 'weldr.socket']) {
      const text = readFileSync(new URL(`../../packaging/${name}`, import.meta.url), 'utf8');
      // The program must exist, or systemd complains.
      writeFileSync(join(folder, name), text.replaceAll('/opt/weldr/node_modules/.bin/weldr', '/bin/true'));
    }
    const run = promisify(execFile);
    const [service, socket] = [join(folder, 'weldr.service'), join(folder, 'weldr.socket')];
    const said = await run('systemd-analyze', ['verify', service, socket], {
      env: { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` },
    });
    assert.equal([said.stdout, said.stderr], ['', '']);
    // Of 100; the command fails above it.
    await run('systemd-analyze', ['security', '--offline=true', '--threshold=25', service]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
