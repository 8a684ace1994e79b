// Command: runs tools of the system, for a limited time.
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';

/** The result of a command. */
export interface CommandResult {
  /** The exit code; undefined: the command could not be started, or was killed at its limit. */
  readonly code: number | undefined;
  /** The text on stderr, or why the command did not run. */
  readonly error: string;
  readonly output: string;
  /** Whether the command is not installed. */
  readonly missing: boolean;
}

const maxOutput = 4096;

/** Runs a command with `input` on its stdin; kills it after `ms`, default 1000. Never rejects. */
export async function run(
  program: string,
  args: readonly string[],
  { input = '', ms = 1000 }: { input?: string; ms?: number } = {},
): Promise<CommandResult> {
  let child: ChildProcessByStdio<Writable, Readable, Readable>;
  try {
    child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  } catch (thrown) {
    // For example EPERM, for a program with capabilities that this process may not have.
    return { code: undefined, error: `${program}: ${String(thrown)}`, output: '', missing: false };
  }
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  let error = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (error.length < maxOutput) error += text;
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < maxOutput) output += text;
  });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, ms);
  child.on('error', thrown => {
    const missing = 'code' in thrown && thrown.code === 'ENOENT';
    resolve({
      code: undefined,
      error: missing ? `${program} is not installed` : thrown.message,
      output,
      missing,
    });
  });
  child.on('close', (code, signal) => {
    const killed = isLate ? `it was killed after ${ms} ms` : `it was ended by ${signal}`;
    const why = signal === null ? error.trim() : killed;
    resolve({ code: code ?? undefined, error: why, output, missing: false });
  });
  // The command may end without reading.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const result = await promise;
  clearTimeout(timer);
  return result;
}
