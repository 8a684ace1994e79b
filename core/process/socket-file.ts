// SocketFile: the file of a listening unix socket: how it gets its name, and how it is removed.
//
// The socket is bound under a temporary name, with its permissions set, and linked to its own name as the last step: a
// client that finds it can connect. A link never replaces an existing name, so of two Weldrs that start at once one wins.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type BigIntStats, chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { link, lstat, realpath, rename, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../errors/error-code.ts';
import { describeError, WeldrError } from '../errors.ts';

/** The most attempts to get a name that other processes keep taking and releasing. */
const mostTries = 20;

/** Returns an unused name in the folder of `path`. */
export function besides(path: string): string {
  return join(dirname(path), `.weldr-${randomBytes(6).toString('hex')}`);
}

/** The file of one socket of this process. */
export class SocketFile {
  readonly path: string;
  private readonly identity: BigIntStats;

  private constructor(path: string, identity: BigIntStats) {
    this.path = path;
    this.identity = identity;
  }

  /**
   * Gives the socket that was bound as `bound` the name `path`. Removes the socket file of a process that has ended.
   * Rejects with LISTEN_FAILED when another process listens there, when the file is not a socket, or when this user may not
   * write to the folder; `bound` is removed then.
   */
  static async claim(bound: string, path: string): Promise<SocketFile> {
    try {
      const identity = await lstat(bound, { bigint: true });
      for (let n = 0; n < mostTries; n++) {
        if (await named(bound, path)) return new SocketFile(path, identity);
        await alone(path, () => clear(path));
      }
      throw listenFailed(path, inUse);
    } catch (thrown) {
      throw thrown instanceof WeldrError
        ? thrown
        : listenFailed(path, explainPath(path, codeOf(thrown), describeError(thrown)));
    } finally {
      await unlink(bound).catch(() => {});
    }
  }

  /** Returns the file of a socket that another Weldr opened at `path` and handed over; undefined: it is gone. */
  static adopt(path: string): SocketFile | undefined {
    const identity = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return identity?.isSocket() === true ? new SocketFile(path, identity) : undefined;
  }

  /** Sets its permissions. */
  setMode(mode: number): void {
    if (this.isOurs()) chmodSync(this.path, mode);
  }

  /** Removes it, unless another process has replaced it. Call it before the socket is closed. */
  remove(): void {
    try {
      if (this.isOurs()) unlinkSync(this.path);
    } catch {
      // The next process that listens there finds it stale.
    }
  }

  private isOurs(): boolean {
    const found = lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
    return found !== undefined && isSame(found, this.identity);
  }
}

const inUse = 'it is in use by another process; stop that, or listen on another path';

/** Makes LISTEN_FAILED for a path, with what to do. */
export function listenFailed(path: string, why: string): WeldrError {
  return new WeldrError('LISTEN_FAILED', `cannot listen on unix:${path}: ${why}`);
}

/** Returns why no socket can be made at `path`, and what to do, by the name of the system's error. */
export function explainPath(path: string, code: string, message: string): string {
  const folder = dirname(path);
  if (code === 'ENOENT') {
    return `there is no folder ${folder}; create it (systemd: RuntimeDirectory=), or listen on another path`;
  }
  if (code === 'ENOTDIR') return `${folder} is not a folder; listen on another path`;
  if (code === 'EACCES' || code === 'EPERM') {
    return `this user may not write to ${folder}; allow it, or listen on another path`;
  }
  if (code === 'EROFS') {
    return `${folder} is read-only; make it writable (systemd: ReadWritePaths= or RuntimeDirectory=), or listen on another path`;
  }
  return message;
}

/** False when the name already exists. */
async function named(bound: string, path: string): Promise<boolean> {
  try {
    await link(bound, path);
    return true;
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST') return false;
    throw thrown;
  }
}

/** How long it waits for other processes that clear the same path, ms. */
const turnTimeout = 2_000;

/**
 * Runs `work` while no other process of this machine does so for `path`: of two processes that find the same stale socket,
 * the slower one would move away the socket that the faster one has just created. The lock is a name in the abstract
 * namespace of Linux, which no process can leave behind. On other systems, and when a process keeps the name, `work` runs anyway.
 */
async function alone(path: string, work: () => Promise<void>): Promise<void> {
  const name = createHash('sha256')
    .update(await realpath(dirname(path)))
    .update(basename(path))
    .digest('hex');
  const turn = process.platform === 'linux' ? await takeTurn(`\0weldr-${name}`) : undefined;
  try {
    await work();
  } finally {
    turn?.close();
  }
}

async function takeTurn(name: string): Promise<Server | undefined> {
  for (const end = performance.now() + turnTimeout; performance.now() < end; await sleep(5)) {
    const server = createServer(socket => socket.destroy());
    try {
      server.listen({ path: name, exclusive: true });
      await once(server, 'listening');
      return server;
    } catch (thrown) {
      if (codeOf(thrown) !== 'EADDRINUSE') return undefined;
    }
  }
  return undefined;
}

/** Clears `path` if it is a socket on which no process listens. */
async function clear(path: string): Promise<void> {
  const found = await lstat(path, { bigint: true }).catch(orGone);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw listenFailed(
      path,
      `there is ${kindOf(found)} of that name, which is left alone; remove it, or listen on another path`,
    );
  }
  const state = await probe(path);
  if (state === 'gone') return;
  if (state !== 'stale') throw listenFailed(path, state);
  const aside = besides(path);
  if ((await rename(path, aside).then(() => true, orGone)) === undefined) return;
  const moved = await lstat(aside, { bigint: true });
  // Another process that also found it stale has taken the name meanwhile, and gets it back.
  if (!isSame(moved, found)) await link(aside, path).catch(() => {});
  await unlink(aside);
}

/** Returns `stale` when no process listens there, `gone`, or why the path cannot be used. */
async function probe(path: string): Promise<string> {
  return await new Promise(resolve => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(inUse);
    });
    socket.once('error', error => {
      const code = codeOf(error);
      if (code === 'ECONNREFUSED') resolve('stale');
      else if (code === 'ENOENT') resolve('gone');
      else if (code === 'EACCES' || code === 'EPERM') {
        resolve('it belongs to another user, and may be in use; remove it, or listen on another path');
      } else resolve(inUse);
    });
  });
}

function isSame(a: BigIntStats, b: BigIntStats): boolean {
  // Inode numbers are reused. Links and renames change ctime, but nothing changes a socket's mtime.
  return a.ino === b.ino && a.dev === b.dev && a.mtimeNs === b.mtimeNs;
}

function kindOf(found: BigIntStats): string {
  if (found.isDirectory()) return 'a folder';
  return found.isSymbolicLink() ? 'a symbolic link' : 'a file';
}

function orGone(thrown: unknown): undefined {
  if (codeOf(thrown) !== 'ENOENT') throw thrown;
  return undefined;
}
