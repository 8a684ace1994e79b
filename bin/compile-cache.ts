// Compile cache: Node's, for this process and those it starts, in a folder that no other user can write to.
import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/**
 * Has Node keep what it compiles, so that the next start is faster. Node's default, a folder in the shared temporary
 * one, is not used: another user could create it first and have their code run here. Without a safe folder there is no cache.
 * If an operator sets NODE_COMPILE_CACHE or NODE_DISABLE_COMPILE_CACHE, Node applies it and this function does nothing.
 */
export function useCompileCache(): void {
  const { env } = process;
  if (env['NODE_COMPILE_CACHE'] || env['NODE_DISABLE_COMPILE_CACHE']) return;
  const folder = compileCacheFolder(env);
  if (folder === undefined) return;
  enableCompileCache(folder);
  env['NODE_COMPILE_CACHE'] = folder;
}

/**
 * Returns the folder of the cache, which it creates: systemd's CACHE_DIRECTORY, else `weldr` in XDG_CACHE_HOME or `~/.cache`.
 * Undefined when this user cannot write there or another one can.
 */
export function compileCacheFolder(env: NodeJS.ProcessEnv): string | undefined {
  try {
    const wanted = wantedFolder(env);
    if (!isAbsolute(wanted)) return undefined;
    makeFolder(wanted);
    const folder = realpathSync(wanted);
    if (!isSafe(folder)) return undefined;
    accessSync(folder, constants.W_OK | constants.X_OK);
    return folder;
  } catch {
    // A file system that is read-only, a user without a home.
    return undefined;
  }
}

/** Creates folders one by one: on a file system without folders to create, such as /proc, Node's `recursive` never returns. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: 0o700 });
}

function wantedFolder(env: NodeJS.ProcessEnv): string {
  // systemd separates several with colons.
  const given = env['CACHE_DIRECTORY']?.split(':')[0];
  if (given) return join(given, 'compile');
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'weldr', 'compile');
}

/** Returns whether only this user and root can change or replace it. */
function isSafe(folder: string): boolean {
  const user = process.getuid?.();
  if (user === undefined) return false;
  const [own, ...parents] = withParents(folder);
  return (
    own !== undefined &&
    isTrusted(own, user, 0) &&
    // In a sticky folder such as /tmp, users cannot rename or remove files of others.
    parents.every(parent => isTrusted(parent, user, sticky))
  );
}

const sticky = 0o1000;
const writableByOthers = 0o022;

function isTrusted(folder: string, user: number, excuse: number): boolean {
  const { uid, mode } = statSync(folder);
  if (uid !== user && uid !== 0) return false;
  return (mode & writableByOthers) === 0 || (mode & excuse) !== 0;
}

function withParents(folder: string): string[] {
  const all = [folder];
  for (let path = folder; path !== dirname(path); path = dirname(path)) all.push(dirname(path));
  return all;
}
