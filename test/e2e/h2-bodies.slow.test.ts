// Bodies of 1 GiB over HTTP/2 and TLS, both ways, with flat memory: by curl.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import * as assert from 'uvu/assert';
import { figure } from '../chaos/support/size.ts';
import { certificate, privateKey } from '../support/certificate.ts';
import { suite } from '../support/suite.ts';
import { startWeldr, type TestWeldr } from '../support/weldr.ts';
import { gigabyte, startByteOrigin } from './byte-origin.ts';
import { megabyte, peakDuring, peakTolerance, usualPeak } from './worker-memory.ts';

const test = suite('bodies over HTTP/2 and TLS', { timeoutMs: 700_000, testTimeoutMs: 300_000 });

async function withWeldr(run: (weldr: TestWeldr, url: string) => Promise<void>): Promise<void> {
  const origin = await startByteOrigin();
  const weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      import { retry, roundRobin, stats } from 'weldr/plugins';
      export default defineConfig({
        listen: [{ address: '127.0.0.1:0', tls: { certificates: [{ cert: 'ca.pem', key: 'ca.key' }] } }],
        workers: 1, servers: ['${origin.url}'], plugins: [roundRobin(), retry(), stats()],
      });`,
    files: { 'ca.pem': certificate, 'ca.key': privateKey },
  });
  try {
    await run(weldr, weldr.url.replace('http:', 'https:'));
  } finally {
    await weldr.stop();
    origin.close();
  }
}

/** Runs a line of shell in which curl has its arguments; returns the output. */
async function curl(weldr: TestWeldr, line: string): Promise<string> {
  const flags = '--http2 -sS --fail --cacert ca.pem';
  const { stdout } = await promisify(execFile)('bash', ['-c', line.replace('curl', `curl ${flags}`)], {
    cwd: weldr.folder,
  });
  return stdout;
}

const ways: readonly (readonly [way: string, line: (url: string, bytes: number) => string])[] = [
  [
    'down',
    (url, bytes) => `curl -o /dev/null -w '2 %{http_version} %{size_download}' '${url}/?bytes=${bytes}'`,
  ],
  [
    'up',
    (url, bytes) =>
      `head -c ${bytes} /dev/zero | curl -X POST -T - -w ' %{http_version} %{size_upload}' '${url}/'`,
  ],
];

for (const [way, line] of ways) {
  const behaviour = `1 GiB passes ${way} with flat memory`;
  const body = () =>
    withWeldr(async (weldr, url) => {
      const before = await usualPeak(weldr, 256 * megabyte, bytes => curl(weldr, line(url, bytes)));
      const transfer = curl(weldr, line(url, gigabyte));
      const peak = await peakDuring(weldr, transfer);
      assert.match(await transfer, new RegExp(` 2 ${gigabyte}$`));
      figure(
        `1 GiB ${way} over HTTP/2 and TLS: ${Math.round(before / megabyte)} MB at most for 256 MiB, ${Math.round(peak / megabyte)} MB for 1 GiB`,
      );
      assert.ok(peak < before + peakTolerance, `grew from ${before} to ${peak}`);
    });
  if (spawnSync('curl', ['--version']).status === 0) test(behaviour, body);
  else test.skip(behaviour, 'curl is not installed', body);
}
