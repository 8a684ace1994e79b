// A proxy with TLS and one without, an origin behind them, and other programs as clients.
import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { listenerTls } from '../../../core/certificates/listener-tls.ts';
import { readTls } from '../../../core/certificates/tls-reading.ts';
import { certificate, privateKey } from '../../support/certificate.ts';
import type { Test } from '../../support/suite.ts';
import { startProxy } from './proxy.ts';

process.env['PATH'] = [process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter);

/** Returns whether this command is installed. */
export const isThere = (command: string): boolean => spawnSync('which', [command]).status === 0;

/** Registers tests. Those whose program is missing are listed with the reason. */
export function testWhere(test: Test) {
  return (there: boolean, reason: string, behaviour: string, body: () => Promise<void>): void => {
    if (there) test(behaviour, body);
    else test.skip(behaviour, reason, body);
  };
}

/** Bytes of `/large`, and of the file `large`. */
export const largeSize = 3_000_000;

/** Both proxies and what clients need. */
export interface PeerEnds {
  /** Holds `ca.pem`, for origin.test and 127.0.0.1, and `large`. Programs run there. */
  readonly folder: string;
  /** URLs: with TLS, and without. Both speak HTTP/1.1 and HTTP/2. */
  readonly secure: string;
  readonly clear: string;
  /** The Via of each request at the origin. */
  readonly via: string[];
  /** Further responses of the origin, as HTML, by path. */
  readonly pages: Map<string, string>;
  /** Runs a program to its end. Returns its output. */
  run(command: string, ...args: string[]): Promise<string>;
  close(): Promise<void>;
}

/** Starts them. The origin answers `/small` with `hello`, `/large` with 3 MB, and `/echo` with the body that it received. */
export async function startPeerEnds(): Promise<PeerEnds> {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-peers-'));
  writeFileSync(join(folder, 'large'), 'x'.repeat(largeSize));
  writeFileSync(join(folder, 'ca.pem'), certificate);
  const via: string[] = [];
  const pages = new Map<string, string>();
  const origin = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    via.push(`${request.headers.via}`);
    const page = pages.get(request.url ?? '');
    if (page !== undefined) response.setHeader('content-type', 'text/html').end(page);
    else if (request.url === '/echo') response.end(Buffer.concat(pieces));
    else response.end(request.url === '/large' ? 'y'.repeat(largeSize) : 'hello');
  });
  origin.listen(0, '127.0.0.1');
  await once(origin, 'listening');
  const address = origin.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const upstreams = [`http://127.0.0.1:${address.port}`];
  const input = listenerTls.parse({ certificates: [{ cert: certificate, key: privateKey }] });
  const tls = await startProxy({ upstreams, tls: readTls(input, 'tls').material, http2: true });
  const plain = await startProxy({ upstreams, http2: true });
  return {
    folder,
    secure: `https://127.0.0.1:${tls.port}`,
    clear: `http://127.0.0.1:${plain.port}`,
    via,
    pages,
    async run(command, ...args) {
      const { stdout } = await promisify(execFile)(command, args, { cwd: folder, maxBuffer: 2 ** 28 });
      return stdout;
    },
    async close() {
      tls.close();
      plain.close();
      origin.closeAllConnections();
      origin.close();
      await once(origin, 'close');
      rmSync(folder, { recursive: true });
    },
  };
}
