// A flood of the admin API of a real Weldr: callers that send and never read, while probes check its health.
import { readFileSync } from 'node:fs';
import { Agent, get, type RequestOptions } from 'node:https';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import * as assert from 'uvu/assert';
import { startWeldr } from '../support/weldr.ts';

/** The size and kind of a flood. */
export interface Flood {
  /** Callers at once. */
  readonly callers: number;
  /** The bytes that each sends without reading, `eachSends` at most. */
  bytesFor(host: string): string | Buffer;
  readonly eachSends: number;
  /** The callers speak TLS; `handshake: false`: they send the bytes in place of a handshake. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly handshake: boolean };
}

/** Returns by how much the manager's memory grew at most, bytes. Fails when a probe does. */
export async function floodAdmin(flood: Flood): Promise<number> {
  const { callers, tls, eachSends } = flood;
  const certificate = tls && { cert: tls.cert, key: tls.key };
  const options =
    certificate === undefined ? '' : `, tls: { certificates: [${JSON.stringify(certificate)}] }`;
  const weldr = await startWeldr({
    config: `
      import { defineConfig } from 'weldr';
      import { adminApi, roundRobin } from 'weldr/plugins';
      export default defineConfig({
        listen: '127.0.0.1:0', workers: 1,
        servers: Array.from({ length: 100 }, (_, n) => 'http://127.0.0.1:' + (1000 + n)),
        plugins: [adminApi({ listen: '127.0.0.1:0'${options} }), roundRobin()],
      });`,
  });
  const sockets: Socket[] = [];
  // A separate connection for each probe.
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 0 });
  try {
    const { host, hostname, port } = new URL(weldr.adminUrl);
    const url = `${weldr.adminUrl}/healthz`;
    const healthy = (): Promise<boolean> =>
      tls === undefined ? fetch(url).then(({ ok }) => ok) : isHealthy(url, { agent, ca: tls.cert });
    assert.ok(await healthy());
    const before = memoryOf(weldr.pid);
    const bytes = Buffer.from(flood.bytesFor(host)).subarray(0, eachSends);
    for (let n = 0; n < callers; n++) {
      const to = { port: Number(port), host: hostname };
      const socket = tls?.handshake === true ? connectTls({ ...to, ca: tls.cert }) : connectPlain(to);
      socket.pause();
      socket.on('error', () => {});
      socket.write(bytes);
      sockets.push(socket);
    }
    let peak = 0;
    for (let probe = 0; probe < 100; probe++) {
      assert.ok(await healthy(), `probe ${probe}`);
      peak = Math.max(peak, memoryOf(weldr.pid));
    }
    return peak - before;
  } finally {
    for (const socket of sockets) socket.destroy();
    agent.destroy();
    await weldr.stop();
  }
}

function isHealthy(url: string, options: RequestOptions): Promise<boolean> {
  return new Promise((resolve, reject) => {
    get(url, options, response => {
      resolve(response.resume().statusCode === 200);
    }).on('error', reject);
  });
}

function memoryOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0) * 1024;
}
