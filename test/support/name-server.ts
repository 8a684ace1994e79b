// A real name server for tests: dnsmasq on a free port, with records that can change while it runs; and one
// that receives queries and never answers.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './ports.ts';

/** Runs dnsmasq, which knows `ready.test` and the given records. */
export class NameServer {
  /** `ADDRESS:PORT`. */
  readonly address: string;
  private readonly process: ChildProcess;
  private readonly folder: string;

  private constructor(address: string, process: ChildProcess, folder: string) {
    this.address = address;
    this.process = process;
    this.folder = folder;
  }

  /**
   * `records`: lines of a hosts file; `silent`: `ADDRESS:PORT` of the server for names that end in `.silent`; `services`:
   * SRV records as `NAME,TARGET,PORT,PRIORITY,WEIGHT`.
   */
  static async start(
    records: readonly string[],
    { silent, ttl = 1, services = [] }: { silent?: string; ttl?: number; services?: readonly string[] } = {},
  ): Promise<NameServer> {
    const folder = mkdtempSync(join(tmpdir(), 'weldr-names-'));
    const port = await freePort();
    writeFileSync(join(folder, 'hosts'), hostsText(records));
    const options = [
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--no-resolv',
      '--no-hosts',
      '--bind-interfaces',
      '--listen-address=127.0.0.1',
      '--user=',
      '--pid-file',
      `--port=${port}`,
      `--local-ttl=${ttl}`,
      `--addn-hosts=${join(folder, 'hosts')}`,
      '--local=/test/',
      ...services.map(service => `--srv-host=${service}`),
      ...(silent === undefined ? [] : [`--server=/silent/${silent.replace(':', '#')}`]),
    ];
    const process = spawn('dnsmasq', options, { stdio: 'ignore' });
    await once(process, 'spawn');
    const server = new NameServer(`127.0.0.1:${port}`, process, folder);
    await server.answers('ready.test', '127.0.0.9');
    return server;
  }

  /** Replaces the records. Resolves once they are served. */
  async change(records: readonly string[]): Promise<void> {
    writeFileSync(join(this.folder, 'hosts'), hostsText(records, '127.0.0.8'));
    this.process.kill('SIGHUP');
    await this.answers('ready.test', '127.0.0.8');
  }

  async close(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      const gone = once(this.process, 'exit');
      this.process.kill('SIGKILL');
      await gone;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async answers(name: string, address: string): Promise<void> {
    const resolver = new Resolver({ timeout: 500, tries: 1 });
    resolver.setServers([this.address]);
    for (let tries = 0; tries < 200; tries++) {
      const found = await resolver.resolve4(name).catch(() => []);
      if (found[0] === address) return;
      if (this.process.exitCode !== null) throw new Error(`dnsmasq ended with ${this.process.exitCode}`);
      await sleep(50);
    }
    throw new Error('dnsmasq did not come up');
  }
}

function hostsText(records: readonly string[], ready = '127.0.0.9'): string {
  return [`${ready} ready.test`, ...records, ''].join('\n');
}

/** Receives queries and answers none. */
export class SilentNameServer {
  readonly address: string;
  /** The number of queries received. */
  questions = 0;
  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.address = `127.0.0.1:${socket.address().port}`;
    socket.on('message', () => {
      this.questions++;
    });
  }

  static async start(): Promise<SilentNameServer> {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new SilentNameServer(socket);
  }

  close(): void {
    this.socket.close();
  }
}
