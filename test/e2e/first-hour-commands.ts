// Runs many command lines of `weldr` one after another in this process, because starting a process for each would take
// most of the time. They arrive on stdin as JSON, and their output goes to stdout as JSON.
import { text } from 'node:stream/consumers';
import { CommandError } from '../../bin/command-error.ts';
import { runCommandLine } from '../../bin/command-line.ts';

/** One command line. */
export interface Typed {
  readonly args: readonly string[];
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Its output. */
export interface Printed {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

const lines: readonly Typed[] = JSON.parse(await text(process.stdin));
const write = process.stdout.write.bind(process.stdout);
// A check would end its process after a moment, whatever the config has started.
const exit = process.exit.bind(process);
Object.assign(process, { exit: () => {} });
const printed: Printed[] = [];
for (const { args, folder, env } of lines) {
  process.chdir(folder);
  Object.assign(process.env, env);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    Object.assign(process[name], {
      write: (piece: string | Uint8Array): boolean => {
        said[name] += piece;
        return true;
      },
    });
  }
  let code: number | undefined;
  try {
    code = await runCommandLine(args);
  } catch (thrown) {
    if (!(thrown instanceof CommandError)) throw thrown;
    code = thrown.exitCode;
    said.stderr += `weldr: ${thrown.message}\n`;
  }
  for (const name of Object.keys(env)) delete process.env[name];
  printed.push({ code, ...said });
}
write(JSON.stringify(printed), () => exit());
