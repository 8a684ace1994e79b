// SystemFile: a small file of the system, such as /etc/hosts, parsed at the first use and again after each change.
import { readFileSync, statSync } from 'node:fs';

/**
 * One file. It is read synchronously: it is small, and an asynchronous read would queue for one of four threads with all
 * else in the process that uses a disk.
 */
export class SystemFile<T> {
  private readonly path: string;
  private readonly parse: (text: string) => T;
  private parsed: { readonly version: string; readonly content: T } | undefined = undefined;

  /** `parse`: gets an empty text if the file does not exist. */
  constructor(path: string, parse: (text: string) => T) {
    this.path = path;
    this.parse = parse;
  }

  /** The current content. */
  get content(): T {
    const version = this.versionNow();
    if (version !== this.parsed?.version) {
      const text = version === '' ? '' : readFileSync(this.path, 'utf8');
      this.parsed = { version, content: this.parse(text) };
    }
    return this.parsed.content;
  }

  /** Changes with the file; empty if that does not exist. */
  private versionNow(): string {
    const facts = statSync(this.path, { throwIfNoEntry: false });
    return facts === undefined ? '' : `${facts.ino} ${facts.mtimeMs} ${facts.size}`;
  }
}
