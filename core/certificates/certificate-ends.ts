// CertificateEnds: logs which certificates expire soon, each day, and which have expired, once.
import type { Logger } from 'pino';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { Certificate } from './certificate.ts';
import { validityProblem } from './certificate-expiry.ts';
import { factsOf } from './certificate-registry.ts';

const day = 24 * 3_600_000;

/** What {@link CertificateEnds} check. */
export interface CertificateEndsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The certificates that clients are shown now. */
  shown(): readonly Certificate[];
}

/** The ends of all certificates that clients are shown. */
export class CertificateEnds {
  private readonly options: CertificateEndsOptions;
  /** The last message about each, by fingerprint; while one expires soon, the text differs each day. */
  private told = new Map<string, string>();
  private readonly stop: CancelTimer;

  /** Checks at once and each day. */
  constructor(options: CertificateEndsOptions) {
    this.options = options;
    this.stop = options.clock.every(day, () => this.look());
    this.look();
  }

  /** Checks again: the certificates may have changed. */
  look(): void {
    const { clock, log, shown } = this.options;
    const now = clock.now();
    const said = new Map<string, string>();
    for (const certificate of shown()) {
      const problem = validityProblem(certificate, now);
      if (problem === undefined) continue;
      said.set(certificate.fingerprint, problem);
      if (this.told.get(certificate.fingerprint) !== problem) log.warn(factsOf(certificate), problem);
    }
    this.told = said;
  }

  close(): void {
    this.stop();
  }
}
