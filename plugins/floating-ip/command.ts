// Running the tools of the system, bounded in time.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { describeError } from '../../core/errors.ts';

/** What a command did. */
export interface CommandResult {
  /** Undefined: it could not be started, or was killed at its limit. */
  readonly code: number | undefined;
  /** What it wrote to stderr, or why it did not run. */
  readonly error: string;
  /** Not installed. */
  readonly missing: boolean;
}

const maxOutput = 4096;

/** Runs a command, `input` on its stdin; kills it after `ms`. Never rejects. */
export async function run(
  program: string,
  args: readonly string[],
  { input = '', ms = 1000 }: { input?: string; ms?: number } = {},
): Promise<CommandResult> {
  let child: ChildProcessByStdio<Writable, null, Readable>;
  try {
    child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  } catch (thrown) {
    // Such as EPERM for a program whose capabilities this process may not have.
    return { code: undefined, error: `${program}: ${describeError(thrown)}`, missing: false };
  }
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  let error = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (error.length < maxOutput) error += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  child.on('error', thrown => {
    const missing = 'code' in thrown && thrown.code === 'ENOENT';
    resolve({ code: undefined, error: missing ? `${program} is not installed` : thrown.message, missing });
  });
  child.on('close', (code, signal) => {
    const why = signal === null ? error.trim() : `it was killed after ${ms} ms`;
    resolve({ code: code ?? undefined, error: why, missing: false });
  });
  // It may end without reading.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const result = await promise;
  clearTimeout(timer);
  return result;
}
