// PeerKind: a proxy whose configs a page of docs/ shows: how to complete, check and run them.
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startHaproxy, startNginx } from '../../support/native-proxy.ts';

const run = promisify(execFile);

/** How to complete, check and run the configs of the page's other proxy. */
export interface PeerKind {
  readonly name: string;
  /** Starts it; undefined: it does not run here, and its configs are only checked. */
  start?(config: string, port: number): Promise<{ stop(): Promise<void> }>;
  /** Throws if the config is invalid, with the reason. */
  check(config: string, folder: string): Promise<void>;
}

/** Returns a whole config of nginx around the content of `http`. */
const wholeNginx = (config: string): string =>
  `events {}\nhttp { access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n${config}\n}`;

const wholeHaproxy = (config: string): string =>
  `defaults\n  mode http\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n\n${config}`;

/** nginx: the page's configs belong in `http`. Starting it is its check. */
export const nginx: PeerKind = {
  name: 'nginx',
  start: (config, port) => startNginx(wholeNginx(config), port),
  async check(config, folder) {
    const file = join(folder, 'nginx.conf');
    writeFileSync(file, `pid ${folder}/nginx.pid;\n${wholeNginx(config).replaceAll('{folder}', folder)}`);
    await checked('nginx', ['-t', '-q', '-e', 'stderr', '-p', folder, '-c', file]);
  },
};

/** HAProxy: the page's configs follow `defaults`. */
export const haproxy: PeerKind = {
  name: 'haproxy',
  start: (config, port) => startHaproxy(wholeHaproxy(config), port),
  async check(config, folder) {
    const file = join(folder, 'haproxy.cfg');
    writeFileSync(file, wholeHaproxy(config));
    await checked('haproxy', ['-c', '-f', file]);
  },
};

async function checked(command: string, args: readonly string[]): Promise<void> {
  const path = `${process.env['PATH']}:/usr/sbin:/sbin`;
  try {
    await run(command, args, { env: { ...process.env, PATH: path } });
  } catch (thrown) {
    throw new Error(
      `${command} refuses it: ${thrown instanceof Error && 'stderr' in thrown ? thrown.stderr : thrown}`,
    );
  }
}
