// SynFilter: has listening sockets drop what new clients send, as if nobody were there. A refused client gives up; one that
// is not answered tries again after a second, and finds who has the address then.

import type { SendHandle } from 'node:child_process';
import { spawn } from 'node:child_process';

// A socket filter (SO_ATTACH_FILTER, classic BPF) of one instruction: return 0, which is to drop. Connections that stand have
// filters of their own, that is none. Node has no way to set a socket option; perl is a part of every Debian.
const attach = `my $drop = pack('SCCL', 6, 0, 0, 0);
my $filter = pack('S x![P] P', 1, $drop);
for my $fd (3 .. 2 + shift) {
  open(my $socket, '+<&=', $fd) or exit 1;
  setsockopt($socket, 1, 26, $filter) or exit 1;
}`;

/** It is not waited for longer than that, ms. */
const patience = 200;

/** Resolves when these sockets drop all that is new, with whether they do: not where there is no perl, or no Linux. */
export async function dropNewConnections(handles: readonly SendHandle[]): Promise<boolean> {
  const fds = handles.flatMap(handle => fdOf(handle) ?? []);
  if (process.platform !== 'linux' || fds.length === 0) return false;
  const child = spawn('perl', ['-e', attach, String(fds.length)], {
    stdio: ['ignore', 'ignore', 'ignore', ...fds],
  });
  const { promise, resolve } = Promise.withResolvers<boolean>();
  child.on('error', () => resolve(false));
  child.on('exit', code => resolve(code === 0));
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    resolve(false);
  }, patience);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

function fdOf(handle: SendHandle): number | undefined {
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof fd === 'number' && fd >= 0 ? fd : undefined;
}
