// HandOver: the old process's part of an upgrade: it gives everything away, or continues as before.
import type { Logger } from 'pino';
import type { HeldSocket } from './held-sockets.ts';
import type { Heritage, Successor } from './succession.ts';

/** What is handed over. */
export interface Estate {
  readonly log: Logger;
  readonly version: string;
  sockets(): Iterable<HeldSocket>;
  heritage(): Heritage;
  /** Ends the manager sides of the plugins, so that another process can have what they hold. */
  closePlugins(): Promise<void>;
  /** Starts them again. */
  restorePlugins(): Promise<void>;
}

/** One attempt; the next one needs a new instance. */
export class HandOver {
  private readonly successor: Successor;
  private readonly estate: Estate;
  private isCancelled = false;

  constructor(successor: Successor, estate: Estate) {
    this.successor = successor;
    this.estate = estate;
  }

  /** Resolves with the version of the new process once it serves. Rejects with UPGRADE_FAILED when it never does. */
  async run(): Promise<string> {
    const { successor, estate } = this;
    const { log } = estate;
    log.info({ successor: successor.pid }, 'another process is started to take over');
    let isClosed = false;
    try {
      await successor.prepare(estate.sockets(), estate.version);
      isClosed = true;
      await estate.closePlugins();
      const version = await successor.succeed(estate.heritage());
      log.info({ successor: successor.pid, version }, 'another process has taken over');
      return version;
    } catch (thrown) {
      await successor.end();
      if (isClosed && !this.isCancelled) await estate.restorePlugins();
      throw thrown;
    }
  }

  /** Ends the new process because this one stops; what was closed stays closed. */
  async cancel(): Promise<void> {
    this.isCancelled = true;
    await this.successor.end();
  }
}
