// Deadline: runs `ip` so that it cannot take effect after a deadline, whatever holds it up. Otherwise a process that was frozen between
// the decision to renew an address and the renewal in the kernel would bring the address back when it thaws.
import { readFileSync } from 'node:fs';
import { type CommandResult, run } from './command.ts';

// An alarm outlives exec, and a signal that came while a process was stopped ends it before its next instruction. So a freeze of a
// second or more before `ip` speaks to the kernel ends it. The clock is read after the alarm is set, so that an earlier freeze is
// noticed, too. Alarms count whole seconds.
const guard = `alarm 1;
open(my $uptime, '<', '/proc/uptime') or exit 75;
exit 75 if (split ' ', <$uptime>)[0] >= shift;
exec @ARGV;
exit 127;`;

/** Resolves with whether deadlines can be kept, which needs perl, a part of every Debian. */
export async function canKeepDeadlines(): Promise<boolean> {
  return (await run('perl', ['-e', 'exit 0'])).code === 0;
}

/** Returns the uptime of this machine, s, as the guard reads it. */
export function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
}

/**
 * Runs `ip -batch` so that it takes effect before `deadline`, an {@link uptime}. If it was frozen for less than a second, it may take
 * effect that much later.
 */
export async function runIpBefore(deadline: number, batch: string): Promise<CommandResult> {
  return await runBefore(deadline, 'ip', ['-batch', '-'], { input: batch });
}

/** Does the same as {@link runIpBefore} for any program. */
export async function runBefore(
  deadline: number,
  program: string,
  args: readonly string[],
  options: { input?: string; ms?: number } = {},
): Promise<CommandResult> {
  return await run('perl', ['-e', guard, deadline.toFixed(3), program, ...args], options);
}
