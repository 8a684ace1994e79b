// Runs the command `weldr`, once the version of Node is checked.
import { describeError } from '../core/errors.ts';
import { exitCodes } from '../core/process/exit-codes.ts';
import { CommandError } from './command-error.ts';
import { runCommandLine } from './command-line.ts';

// With `weldr servers | head -1` the reader leaves early.
process.stdout.on('error', () => {});

try {
  const code = await runCommandLine(process.argv.slice(2));
  if (code !== undefined) process.exitCode = code;
} catch (thrown) {
  process.stderr.write(`weldr: ${thrown instanceof CommandError ? thrown.message : describeError(thrown)}\n`);
  process.exitCode = thrown instanceof CommandError ? thrown.exitCode : exitCodes.failed;
}
