// TicketKeys: the keys that seal TLS sessions, the same in all workers, so that a client can resume on any of them.
import type { Clock } from '../time/clock.ts';

/** OpenSSL's size in bytes: a name, a key for the seal and a key for the content. */
const size = 48;
/** How long keys are used, ms: an attacker who gets them can read the sessions that they sealed. */
const lifetime = 12 * 3_600_000;

/** The keys of one Weldr, over its reloads and upgrades. */
export class TicketKeys {
  private keys = process.getBuiltinModule('node:crypto').randomBytes(size);
  private readonly stop: () => void;

  /** `changed` is called when keys have expired and new ones were made. */
  constructor(clock: Clock, changed: () => void) {
    this.stop = clock.every(lifetime, () => {
      this.turn();
      changed();
    });
  }

  /** Makes new keys: no earlier session can be resumed. */
  turn(): void {
    this.keys = process.getBuiltinModule('node:crypto').randomBytes(size);
  }

  /** As base64. */
  get text(): string {
    return this.keys.toString('base64');
  }

  /** Takes over the keys of the process that this one replaces. */
  inherit(text: string): void {
    const keys = Buffer.from(text, 'base64');
    if (keys.length === size) this.keys = keys;
  }

  close(): void {
    this.stop();
  }
}
