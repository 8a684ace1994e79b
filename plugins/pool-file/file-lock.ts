// FileLock: marks a file as written by this process, so that a second Weldr does not write it.
import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { WeldrError } from '../../core/errors.ts';
import { errorCode } from './durable-file.ts';

/** How often the holder touches the lock file, ms. */
const touchEvery = 1000;
/** How long the lock of a process that cannot be inspected must be untouched to count as abandoned, ms. */
const abandonedAfter = 4000;

const holder = z.object({
  pid: z.number().int(),
  /** The start time of the process as the kernel counts: distinguishes it from a later one with the same pid. */
  started: z.string(),
  /** The machine, boot and pid namespace in which the pid means something. */
  scope: z.string(),
  token: z.string(),
});
type Holder = z.output<typeof holder>;

/** The lock on one file: a file beside it, `<path>.lock`, that names the process. */
export class FileLock {
  private readonly path: string;
  private readonly mine: Holder;
  private readonly timer: NodeJS.Timeout;
  private gone = false;

  private constructor(path: string, mine: Holder) {
    this.path = path;
    this.mine = mine;
    this.timer = setInterval(() => this.touch().catch(() => {}), touchEvery).unref();
  }

  /**
   * Locks `file`. The lock of a dead process is taken over at once; that of a process in another container or machine when it
   * has not been touched for a few seconds. Rejects with STORE_UNAVAILABLE when it is held, and with the system's error when
   * the lock file cannot be written.
   */
  static async acquire(file: string): Promise<FileLock> {
    const path = `${file}.lock`;
    const mine: Holder = {
      pid: process.pid,
      started: startOf(process.pid) ?? '',
      scope: scope(),
      token: randomUUID(),
    };
    const draft = `${path}.${mine.token}`;
    // Written to a temporary file and linked into place, so that no process ever reads half a lock.
    try {
      await writeFile(draft, JSON.stringify(mine), { mode: 0o600, flag: 'wx' });
      for (let tries = 0; tries < 5; tries++) {
        if (await linked(draft, path)) return new FileLock(path, mine);
        const text = await readIfThere(path);
        if (text === undefined) continue;
        const other = parseHolder(text);
        if (await isHeld(path, other)) {
          throw new WeldrError(
            'STORE_UNAVAILABLE',
            `${file} is in use by ${describeHolder(other)}; give each Weldr its own file, or stop the other one`,
          );
        }
        await takeAway(path, text);
      }
      throw new WeldrError(
        'STORE_UNAVAILABLE',
        `${file} is being locked by another Weldr; give each Weldr its own file`,
      );
    } finally {
      await rm(draft, { force: true });
    }
  }

  /** Whether another process has taken the lock; then nothing may be written any more. */
  get lost(): boolean {
    return this.gone;
  }

  async release(): Promise<void> {
    clearInterval(this.timer);
    await this.check();
    if (!this.gone) await rm(this.path, { force: true });
    this.gone = true;
  }

  private async touch(): Promise<void> {
    await this.check();
    const now = new Date();
    if (!this.gone) await utimes(this.path, now, now);
  }

  private async check(): Promise<void> {
    const text = await readIfThere(this.path);
    if (text === undefined) await this.restore();
    else if (parseHolder(text)?.token !== this.mine.token) this.gone = true;
  }

  /** Restores a lock file that was deleted. */
  private async restore(): Promise<void> {
    try {
      await writeFile(this.path, JSON.stringify(this.mine), { mode: 0o600, flag: 'wx' });
    } catch (thrown) {
      if (errorCode(thrown) === 'EEXIST') this.gone = true;
    }
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (thrown) {
    if (errorCode(thrown) === 'EEXIST') return false;
    throw thrown;
  }
}

/** Removes a stale lock; if another process has replaced it meanwhile, puts that one back. */
async function takeAway(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return;
    throw thrown;
  }
  try {
    if ((await readFile(aside, 'utf8')) !== stale) await linked(aside, path);
  } finally {
    await rm(aside, { force: true });
  }
}

async function isHeld(path: string, other: Holder | undefined): Promise<boolean> {
  if (other?.scope === scope()) return startOf(other.pid) === other.started;
  // Its process cannot be inspected from here: watch whether the file is touched.
  const before = await modified(path);
  for (let waited = 0; waited < abandonedAfter; waited += 200) {
    await sleep(200);
    const now = await modified(path);
    if (now !== before) return now !== undefined;
  }
  return false;
}

async function modified(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

function parseHolder(text: string): Holder | undefined {
  try {
    return holder.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function describeHolder(other: Holder | undefined): string {
  if (other === undefined) return 'another process';
  return other.scope === scope()
    ? `process ${other.pid}`
    : `process ${other.pid} of another machine or container`;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    if (errorCode(thrown) === 'ENOENT') return undefined;
    throw thrown;
  }
}

/** Returns the start time of a process; undefined: there is no such process. */
function startOf(pid: number): string | undefined {
  try {
    // proc(5): the name, field 2, may hold spaces and brackets; the start time is field 22.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  } catch {
    return hasProcFs() ? undefined : startWithoutProcFs(pid);
  }
}

function startWithoutProcFs(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
    return 'unknown';
  } catch (thrown) {
    return errorCode(thrown) === 'EPERM' ? 'unknown' : undefined;
  }
}

function hasProcFs(): boolean {
  return bootId() !== '';
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

function scope(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Without Linux there are no pid namespaces.
  }
  return `${hostname()} ${bootId()} ${namespace}`;
}
