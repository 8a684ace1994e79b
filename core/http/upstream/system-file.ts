// SystemFile: a small system file, such as /etc/hosts, parsed on first use and again after each change.
import { readFileSync, statSync } from 'node:fs';

/**
 * One file. It is read synchronously: it is small, and an asynchronous read would queue for one of the process's four I/O
 * threads.
 */
export class SystemFile<T> {
  private readonly path: string;
  private readonly parse: (text: string) => T;
  private parsed: { readonly version: string; readonly content: T } | undefined = undefined;

  /** `parse`: gets an empty string if the file does not exist. */
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

  /** Changes whenever the file does; empty if there is no file. */
  private versionNow(): string {
    const facts = statSync(this.path, { throwIfNoEntry: false });
    return facts === undefined ? '' : `${facts.ino} ${facts.mtimeMs} ${facts.size}`;
  }
}
