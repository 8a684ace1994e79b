// SystemFile: a small file of the system, such as /etc/hosts, understood once and again when it has changed.
import { readFileSync, statSync } from 'node:fs';

/**
 * One file. It is read synchronously: it is small, and asynchronous reads wait in a queue of four with everything
 * else of the process that touches a disk.
 */
export class SystemFile<T> {
  private readonly path: string;
  private readonly understand: (text: string) => T;
  private version = '';
  private current: T;

  /** `understand`: makes something of its text; of an empty one where there is no such file. */
  constructor(path: string, understand: (text: string) => T) {
    this.path = path;
    this.understand = understand;
    this.current = understand('');
  }

  /** What it says now. */
  get content(): T {
    const version = this.versionNow();
    if (version !== this.version) {
      this.version = version;
      this.current = this.understand(version === '' ? '' : readFileSync(this.path, 'utf8'));
    }
    return this.current;
  }

  /** Empty where it is not there. */
  private versionNow(): string {
    const facts = statSync(this.path, { throwIfNoEntry: false });
    return facts === undefined ? '' : `${facts.ino} ${facts.mtimeMs} ${facts.size}`;
  }
}
