// Listen problem: why the admin API cannot listen, with the remedy.
import { describeError } from '../../core/errors.ts';

/** Returns why listening failed, with the remedy. */
export function listenProblem(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  if (code === 'EADDRINUSE')
    return 'the port is taken by another process; stop it, or choose another with --admin-ip, WELDR_ADMIN_LISTEN or adminApi({ listen })';
  if (code === 'EACCES')
    return 'this user may not listen on that port; choose one from 1024 up with --admin-ip, WELDR_ADMIN_LISTEN or adminApi({ listen })';
  if (code === 'EADDRNOTAVAIL')
    return 'this machine has no such address; choose one that `ip address` lists with adminApi({ listen })';
  if (code === 'ENOTFOUND')
    return 'there is no such name; choose an address of this machine with adminApi({ listen })';
  return describeError(thrown);
}
