// The process that replaces this one: the same command, read from the disk again.
import { spawn } from 'node:child_process';
import { WeldrError } from '../errors.ts';
import type { Batch } from '../state/row.ts';
import { Successor, successorVariable } from './succession.ts';

/** Starts it; `follow`: see {@link Successor}. Throws CONFLICT where it could not outlive this process. */
export function spawnSuccessor(follow: (batch: Batch) => Promise<void>): Successor {
  if (process.pid === 1) {
    throw new WeldrError(
      'CONFLICT',
      'this Weldr is the first process of its container, which ends with it; start a container of the new image instead',
    );
  }
  // argv0, because the name or link in it may lead to a newer Node by now; execPath would be the Node that runs here.
  const child = spawn(process.argv0, [...process.execArgv, ...process.argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [successorVariable]: String(process.pid) },
  });
  return new Successor(child, follow);
}
