// The log of a manager, which opens when the config is read and its level is known.
import type { Logger } from 'pino';
import type { LogOptions, ProcessLog } from '../log/log.ts';

/** Opens a log. */
export type OpenLog = (options: Pick<LogOptions, 'level' | 'file'>) => Promise<ProcessLog>;

/** A log that opens during the start. */
export class ManagerLog {
  private readonly openLog: OpenLog;
  private opened: ProcessLog | undefined;

  constructor(openLog: OpenLog) {
    this.openLog = openLog;
  }

  async open(options: Pick<LogOptions, 'level' | 'file'>): Promise<void> {
    this.opened = await this.openLog(options);
  }

  /** Throws before it is open. */
  get process(): ProcessLog {
    if (this.opened === undefined) throw new Error('the log is opened by start()');
    return this.opened;
  }

  /** Throws before it is open. */
  get log(): Logger {
    return this.process.log;
  }

  /** Undefined before it is open. */
  get logIfOpen(): Logger | undefined {
    return this.opened?.log;
  }

  /** Lines that were dropped because they could not be written fast enough. */
  get dropped(): number {
    return this.opened?.dropped ?? 0;
  }

  reopen(): void {
    this.opened?.reopen();
  }
}
