// HAProxy and nginx as peers, which a test starts with a config.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOpen } from './ports.ts';

/** A running proxy. */
export interface NativeProxy {
  /** Its output so far. */
  readonly output: string;
  stop(): Promise<void>;
}

/** Files of a config by name. */
export type ConfigFiles = Readonly<Record<string, string>>;

/**
 * Starts HAProxy and waits until it listens at `port`. `{folder}` in its config stands for the folder of the files, which are
 * written for it.
 */
export const startHaproxy = (config: string, port: number, files: ConfigFiles = {}): Promise<NativeProxy> =>
  start({ ...files, 'haproxy.cfg': config }, port, folder => [
    'haproxy',
    ['-db', '-f', join(folder, 'haproxy.cfg')],
  ]);

/** The same for nginx; `config`: without the settings of the process. */
export function startNginx(config: string, port: number, files: ConfigFiles = {}): Promise<NativeProxy> {
  // As root, nginx would run its workers as a user that cannot read the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const whole = `daemon off;\n${user}\npid {folder}/nginx.pid;\nworker_processes 1;\n${config}`;
  return start({ ...files, 'nginx.conf': whole }, port, folder => [
    'nginx',
    ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')],
  ]);
}

async function start(
  files: ConfigFiles,
  port: number,
  command: (folder: string) => [name: string, args: readonly string[]],
): Promise<NativeProxy> {
  const folder = mkdtempSync(join(tmpdir(), 'weldr-peer-'));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text.replaceAll('{folder}', folder));
  }
  const [name, args] = command(folder);
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH: path } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text;
    });
  }
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(child, port, () => output);
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  return {
    get output() {
      return output;
    },
    stop,
  };
}

async function listening(child: ChildProcess, port: number, output: () => string): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await isOpen(`127.0.0.1:${port}`))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Error(`it does not listen at ${port}: ${output()}`);
    }
    await sleep(20);
  }
}
