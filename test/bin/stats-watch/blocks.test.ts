// `weldr stats --watch` without a terminal: blocks of text and lines of JSON.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import * as assert from 'uvu/assert';
import { block, jsonLine } from '../../../bin/stats-watch/blocks.ts';
import { freePort } from '../../support/ports.ts';
import { suite } from '../../support/suite.ts';
import { until } from '../../support/until.ts';
import { runWeldr, startWeldr } from '../../support/weldr.ts';
import { lookOf } from './looks.ts';

const test = suite('stats --watch in a pipe', { timeoutMs: 240_000 });

const servers = [
  { id: 'http://10.0.0.1:80', success: 4, failed: 1, latency: { p99: 3, count: 5, sum: 10 } },
  { id: 'http://10.0.0.2:80', success: 20, inFlight: 2 },
];

test('a block has all columns and all servers, in the requested order', () => {
  const many = Array.from({ length: 200 }, (_, n) => ({ id: `http://h${n}:80` }));
  assert.is(block(lookOf(many)).split('\n').length, 5 + 200);
  const lines = block(lookOf(servers), 'rate').split('\n');
  assert.match(lines[1] ?? '', /^clients +25 +1 +24 +1$/);
  assert.match(
    lines[4] ?? '',
    /^SERVER +STATE +REQ\/S +FAIL\/S +IN FLIGHT +MEAN MS +P99 MS +SUCCESS +FAILED$/,
  );
  assert.match(lines[5] ?? '', /^http:\/\/10\.0\.0\.2:80 +active +20 +0 +2 +- +- +20 +0$/);
});

test('a line of JSON has the answer of the API, and the rates', () => {
  const line = JSON.parse(jsonLine(lookOf(servers)));
  assert.equal(line.total.client, { success: 24, failed: 1, requestsPerSecond: 25, failedPerSecond: 1 });
  assert.equal(line.servers[0], {
    pool: 'default',
    state: 'active',
    reason: 'new',
    success: 4,
    failed: 1,
    inFlight: 0,
    id: 'http://10.0.0.1:80',
    latency: { p99: 3, count: 5, sum: 10, mean: 2 },
    requestsPerSecond: 5,
    failedPerSecond: 1,
  });
  assert.ok(!Number.isNaN(Date.parse(line.at)));
});

test('no text of the API can control the terminal through blocks or JSON', () => {
  const look = lookOf([{ id: '\x1b[2J\x9b31m\x7f' }]);
  assert.not.match(block(look).replaceAll('\n', ''), /\p{Cc}/u);
  assert.not.match(jsonLine(look), /\p{Cc}/u);
  assert.is(JSON.parse(jsonLine(look)).servers[0].id, '\x1b[2J\x9b31m\x7f');
});

test('continues across a restart of Weldr, and reports it on stderr', async () => {
  const adminPort = await freePort();
  const config = `
import { adminApi, roundRobin, stats } from 'weldr/plugins';
export default {
  listen: '127.0.0.1:0', workers: 0, servers: ['http://127.0.0.1:9001'],
  plugins: [roundRobin(), stats(), adminApi({ listen: '127.0.0.1:${adminPort}' })],
};`;
  let weldr = await startWeldr({ config });
  const script = fileURLToPath(new URL('../../../bin/weldr.ts', import.meta.url));
  const args = ['stats', '--watch', '--json', '--interval', '0.1', '--admin-url', weldr.adminUrl];
  const child = spawn(process.execPath, ['-C', 'weldr-source', script, ...args]);
  const closed = once(child, 'close');
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', text => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', text => {
    stderr += text;
  });
  const lines = () => stdout.split('\n').slice(0, -1);
  try {
    await until('two looks', () => lines().length >= 2);
    assert.is(JSON.parse(lines()[0] ?? '').servers[0].requestsPerSecond, null);
    assert.is(JSON.parse(lines()[1] ?? '').servers[0].requestsPerSecond, 0);
    await weldr.stop({ keep: true });
    await until('it reports the loss', () => stderr.includes('trying again'));
    const before = lines().length;
    weldr = await startWeldr({ config, folder: weldr.folder });
    await until('it continues', () => lines().length >= before + 2);
    const told = stderr.trim().split('\n');
    assert.match(told[0] ?? '', `weldr: cannot reach http://127.0.0.1:${adminPort}, trying again`);
    assert.match(told.at(-1) ?? '', `weldr: http://127.0.0.1:${adminPort} answers again`);
    for (const line of lines()) JSON.parse(line);
    child.kill('SIGINT');
    assert.equal(await closed, [null, 'SIGINT']);
  } finally {
    child.kill('SIGKILL');
    await weldr.stop();
  }
});

test('refuses unknown words, and lists the known ones', async () => {
  for (const [args, message] of [
    [
      ['--watch', '--sort', 'speed'],
      '--sort: expected one of rate, failed, inflight, latency, id, got "speed"',
    ],
    [['--sort', 'rate'], 'weldr stats: --sort needs --watch'],
    [['--interval', '2'], 'weldr stats: --interval needs --watch'],
    [['--watch', '--interval', '0'], '--interval: expected seconds from 0.1 to 3600, got "0"'],
    [['--watch', '--interval', '500ms'], '--interval: expected seconds from 0.1 to 3600, got "500ms"'],
  ] as const) {
    const { code, stderr } = await runWeldr(['stats', ...args]);
    assert.is(code, 2);
    assert.match(stderr, message);
  }
});
