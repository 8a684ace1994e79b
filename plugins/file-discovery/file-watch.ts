// FileWatch: reads a file when it has changed, and passes on the servers listed in it.
import { extname } from 'node:path';
import { describeError } from '../../core/errors.ts';
import type { FoundServers } from '../../core/plugin/found-servers.ts';
import type { Clock } from '../../core/time/clock.ts';
import { LookLoop } from '../../core/time/look-loop.ts';
import { readBounded } from './bounded-file.ts';
import { FolderWatch } from './folder-watch.ts';
import { readServerList, type ServerList, type ServerListOptions } from './server-list.ts';

/** The file, its pool, and the receiver. */
export interface FileWatchOptions extends Pick<ServerListOptions, 'scheme'> {
  readonly path: string;
  readonly pool: string;
  readonly found: FoundServers;
  readonly clock: Clock;
  /** How often it is checked without a notification, ms. */
  readonly interval: number;
  /** Bytes. */
  readonly maxSize: number;
}

/** Time for the writer of a file to finish, ms. */
const settleMs = 100;

/** One file. */
export class FileWatch {
  private readonly options: FileWatchOptions;
  private readonly loop: LookLoop;
  private readonly folders: FolderWatch;
  /** The version last read. */
  private version: string | undefined;
  /** The list that is held back because it has too few servers, and when it last counted. It counts again every `interval`. */
  private held: { readonly list: ServerList; readonly at: number } | undefined;

  constructor(options: FileWatchOptions) {
    this.options = options;
    this.loop = new LookLoop(options.clock, () => this.look());
    this.folders = new FolderWatch(options.path, () => this.loop.soon(settleMs));
  }

  /** Reads it for the first time; resolves when done. */
  async start(): Promise<void> {
    await this.loop.start();
  }

  close(): void {
    this.loop.close();
    this.folders.close();
  }

  /** Returns how long to wait afterwards, ms. */
  private async look(): Promise<number> {
    const { path, found, interval, maxSize } = this.options;
    // Watched before it is read, so that later changes are noticed.
    const unwatched = await this.folders.refresh();
    const reading = await readBounded(path, maxSize, this.version);
    if (reading.kind === 'unsettled') return settleMs;
    if (reading.kind === 'failed') {
      this.version = undefined;
      this.held = undefined;
      found.failed(reading.why);
    } else if (reading.kind === 'read') {
      this.version = reading.version;
      this.take(reading.text);
    } else if (this.held !== undefined && this.isDueAgain(this.held.at)) {
      this.put(this.held.list);
    }
    if (unwatched !== undefined && reading.kind !== 'failed') {
      found.trouble('watch', `it cannot be watched, only checked every ${interval} ms: ${unwatched}`, 'warn');
    } else if (unwatched === undefined) found.well('watch');
    return interval;
  }

  private take(text: string): void {
    const { path, found, scheme } = this.options;
    this.held = undefined;
    try {
      const format = extname(path).toLowerCase() === '.json' ? 'json' : 'yaml';
      this.put(readServerList(text, { format, scheme }));
    } catch (thrown) {
      found.failed(describeError(thrown));
    }
  }

  private put(list: ServerList): void {
    const { pool, found, clock } = this.options;
    const change = found.put(pool, list.servers, { explain: list.explain });
    this.held = change?.held === undefined ? undefined : { list, at: clock.monotonic() };
  }

  /** Notifications about other files of the folder cause checks in between. The periodic one may come a moment early. */
  private isDueAgain(at: number): boolean {
    const { clock, interval } = this.options;
    return clock.monotonic() - at >= interval - settleMs;
  }
}
