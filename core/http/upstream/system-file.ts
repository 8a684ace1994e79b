// SystemFile: a small file of the system, such as /etc/hosts, parsed when it is first asked for and when it has changed.
import { readFileSync, statSync } from 'node:fs';

/**
 * One file. It is read synchronously: it is small, and asynchronous reads wait in a queue of four with everything
 * else of the process that touches a disk.
 */
export class SystemFile<T> {
  private readonly path: string;
  private readonly parse: (text: string) => T;
  private parsed: { readonly version: string; readonly content: T } | undefined = undefined;

  /** `parse`: gets an empty text where there is no such file. */
  constructor(path: string, parse: (text: string) => T) {
    this.path = path;
    this.parse = parse;
  }

  /** What it says now. */
  get content(): T {
    const version = this.versionNow();
    if (version !== this.parsed?.version) {
      const text = version === '' ? '' : readFileSync(this.path, 'utf8');
      this.parsed = { version, content: this.parse(text) };
    }
    return this.parsed.content;
  }

  /** Empty where it is not there. */
  private versionNow(): string {
    const facts = statSync(this.path, { throwIfNoEntry: false });
    return facts === undefined ? '' : `${facts.ino} ${facts.mtimeMs} ${facts.size}`;
  }
}
