// TicketKeys: what sessions of TLS are sealed with, the same in all workers, so that a client resumes on any of them.
import type { Clock } from '../time/clock.ts';

/** OpenSSL's size: a name, a key for the seal and one for the content, bytes. */
const size = 48;
/** Who has the keys can read what was sent in sessions that they sealed, so they do not last, ms. */
const lifetime = 12 * 3_600_000;

/** The keys of one Weldr, over its reloads and upgrades. */
export class TicketKeys {
  private keys = process.getBuiltinModule('node:crypto').randomBytes(size);
  private readonly stop: () => void;

  /** `changed`: there are others now, as their time was over. */
  constructor(clock: Clock, changed: () => void) {
    this.stop = clock.every(lifetime, () => {
      this.turn();
      changed();
    });
  }

  /** There are others from now on: no session goes on. */
  turn(): void {
    this.keys = process.getBuiltinModule('node:crypto').randomBytes(size);
  }

  /** As base64. */
  get text(): string {
    return this.keys.toString('base64');
  }

  /** Takes over those of the process whose place this one takes. */
  inherit(text: string): void {
    const keys = Buffer.from(text, 'base64');
    if (keys.length === size) this.keys = keys;
  }

  close(): void {
    this.stop();
  }
}
