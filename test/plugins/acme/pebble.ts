// A real certificate authority for tests: pebble, which speaks ACME, with a dnsmasq for names.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { makeCertificate } from '../../support/authority.ts';
import { NameServer } from '../../support/name-server.ts';
import { freePort } from '../../support/ports.ts';
import { until } from '../../support/until.ts';

/** Options of an authority. */
export interface PebbleOptions {
  /** The port of challenges, on every host. */
  readonly httpPort: number;
  /** The addresses of hosts, such as `127.0.0.1 shop.test`; other names do not exist. */
  readonly hosts: readonly string[];
  /** The validity of its certificates, seconds; default: 5 years. */
  readonly validity?: number;
  /** Keys of external accounts, by id; an ACME account then needs one of them. */
  readonly externalAccounts?: Readonly<Record<string, string>>;
  /** The percentage of valid nonces that it refuses; default 5. */
  readonly refusedNonces?: number;
}

/** A running pebble. */
export class Pebble {
  /** The URL of its directory. */
  readonly directory: string;
  /** The certificate that signed its own, PEM. */
  readonly ca: string;
  /** Its output. */
  log = '';
  private readonly managementPort: number;
  private readonly folder: string;
  private readonly names: NameServer;
  private readonly process: ChildProcess;

  private constructor(
    { port, managementPort, ca }: { port: number; managementPort: number; ca: string },
    folder: string,
    names: NameServer,
    process: ChildProcess,
  ) {
    this.directory = `https://localhost:${port}/dir`;
    this.managementPort = managementPort;
    this.ca = ca;
    this.folder = folder;
    this.names = names;
    this.process = process;
    for (const stream of [process.stdout, process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.log += text;
      });
    }
  }

  static async start(options: PebbleOptions): Promise<Pebble> {
    const { httpPort, hosts, validity, externalAccounts, refusedNonces = 5 } = options;
    const names = await NameServer.start(hosts);
    const folder = mkdtempSync(join(tmpdir(), 'weldr-pebble-'));
    const [port, managementPort] = [await freePort(), await freePort()];
    const own = makeCertificate({ names: ['localhost'] });
    writeFileSync(join(folder, 'cert.pem'), own.cert);
    writeFileSync(join(folder, 'key.pem'), own.key);
    const config = {
      listenAddress: `127.0.0.1:${port}`,
      managementListenAddress: `127.0.0.1:${managementPort}`,
      certificate: join(folder, 'cert.pem'),
      privateKey: join(folder, 'key.pem'),
      httpPort,
      tlsPort: 1,
      externalAccountBindingRequired: externalAccounts !== undefined,
      externalAccountMACKeys: externalAccounts ?? {},
      ...(validity !== undefined && { certificateValidityPeriod: validity }),
    };
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ pebble: config }));
    const child = spawn(
      'pebble',
      ['-config', join(folder, 'config.json'), '-dnsserver', names.address, '-strict', 'true'],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: String(refusedNonces) },
      },
    );
    await once(child, 'spawn');
    const pebble = new Pebble({ port, managementPort, ca: own.cert }, folder, names, child);
    try {
      await until('pebble listens', () => {
        if (child.exitCode !== null) throw new Error(`pebble ended: ${pebble.log}`);
        return pebble.log.includes('ACME directory available');
      });
    } catch (thrown) {
      await pebble.close();
      throw thrown;
    }
    return pebble;
  }

  /** Resolves with the root of the certificates that it issues, PEM; a new one at each start. */
  async root(): Promise<string> {
    const asked = request({
      host: 'localhost',
      port: this.managementPort,
      path: '/roots/0',
      ca: this.ca,
    }).end();
    const [response] = await once(asked, 'response');
    let text = '';
    for await (const part of response.setEncoding('utf8')) text += part;
    return text;
  }

  /** The number of orders it received. */
  get orders(): number {
    return this.log.split('Added order ').length - 1;
  }

  async close(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const gone = once(this.process, 'exit');
      this.process.kill('SIGKILL');
      await gone;
    }
    await this.names.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Resolves with the certificate shown for a name, checked against `ca` (PEM); undefined: there is no valid one. */
export async function shownCertificate(port: number, servername: string, ca: string) {
  const socket = connect({ port, host: '127.0.0.1', servername, ca });
  try {
    await once(socket, 'secureConnect');
    return socket.getPeerX509Certificate();
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}
