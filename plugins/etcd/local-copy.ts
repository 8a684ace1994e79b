// LocalCopy: keeps the pool as last seen in etcd in a file, so that a node can start while etcd is away.
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { describeError } from '../../core/errors.ts';
import { parse } from '../../core/options/options.ts';
import type { Clock } from '../../core/time/clock.ts';
import { TimeSlices } from '../../core/time/time-slices.ts';

const copySchema = z.strictObject({
  /** 1: of an earlier version, with keys of the first format. */
  schema: z.literal([1, 2]),
  clusterId: z.string(),
  revision: z.number(),
  keys: z.array(z.strictObject({ key: z.string(), mod: z.number(), lease: z.string(), value: z.string() })),
});

/** What was in etcd at one revision. */
export type PoolCopy = z.output<typeof copySchema>;

// Changes come in bursts, each copy holds the whole pool, and only a start without etcd needs it. ms.
const writeDelay = 1000;

/** The number of keys written without a pause; a leader's renewals wait for that long. */
const keysAtOnce = 500;

/** The copy in one file. */
export class LocalCopy {
  private readonly path: string;
  private readonly log: Logger;
  private readonly clock: Clock;
  private readonly delay: number;
  private pending: (() => PoolCopy) | undefined;
  private timer: (() => void) | undefined;
  private writing: Promise<void> = Promise.resolve();

  /** `delay`: the time from a change until it is written, ms; default 1000. */
  constructor(path: string, log: Logger, clock: Clock, delay = writeDelay) {
    this.delay = delay;
    this.path = path;
    this.log = log;
    this.clock = clock;
  }

  /** Resolves with the contents of the file; undefined: there is none. Sets a damaged file aside and logs it. */
  async read(): Promise<PoolCopy | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
      this.log.error({ path: this.path, reason: describeError(thrown) }, 'the local copy cannot be read');
      return undefined;
    }
    try {
      return parse(copySchema, JSON.parse(text), 'INPUT_INVALID');
    } catch (thrown) {
      const aside = `${this.path}.damaged`;
      await rename(this.path, aside).catch(() => {});
      this.log.error(
        { path: this.path, aside, reason: describeError(thrown).slice(0, 300) },
        'the local copy is damaged and was set aside',
      );
      return undefined;
    }
  }

  /** Writes what `copy` returns, soon. */
  save(copy: () => PoolCopy): void {
    this.pending = copy;
    this.timer ??= this.clock.after(this.delay, () => void this.flush());
  }

  /** Writes a copy that is due; resolves when it is on disk. */
  async flush(): Promise<void> {
    this.timer?.();
    this.timer = undefined;
    this.writing = this.writing.then(() => this.write());
    await this.writing;
  }

  private async write(): Promise<void> {
    const copy = this.pending?.();
    this.pending = undefined;
    if (copy === undefined) return;
    const next = `${this.path}.next`;
    try {
      await mkdir(dirname(this.path), { recursive: true });
      // It may hold private keys of TLS to upstreams.
      const file = await open(next, 'w', 0o600);
      try {
        const { keys, ...head } = copy;
        const slices = new TimeSlices();
        await file.appendFile(`${JSON.stringify(head).slice(0, -1)},"keys":[`);
        for (let from = 0; from < keys.length; from += keysAtOnce) {
          const part = JSON.stringify(keys.slice(from, from + keysAtOnce)).slice(1, -1);
          await file.appendFile(from === 0 ? part : `,${part}`);
          await slices.pause();
        }
        await file.appendFile(']}');
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, this.path);
    } catch (thrown) {
      this.log.error({ path: this.path, reason: describeError(thrown) }, 'the local copy cannot be written');
    }
  }
}
