// CertificateEnds: says in the log, once a day, which certificates end soon, or have ended.
import type { Logger } from 'pino';
import type { CancelTimer, Clock } from '../time/clock.ts';
import type { Certificate } from './certificate.ts';
import { validityProblem } from './certificate-expiry.ts';
import { factsOf } from './certificate-registry.ts';

const day = 24 * 3_600_000;

/** What {@link CertificateEnds} look at. */
export interface CertificateEndsOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Those that are shown now. */
  shown(): readonly Certificate[];
}

/** Of all certificates that somebody is shown. */
export class CertificateEnds {
  private readonly options: CertificateEndsOptions;
  /** What was said of each, by fingerprint; the text is another one each day. */
  private told = new Map<string, string>();
  private readonly stop: CancelTimer;

  /** Looks at once and each day. */
  constructor(options: CertificateEndsOptions) {
    this.options = options;
    this.stop = options.clock.every(day, () => this.look());
    this.look();
  }

  /** Others may be shown now. */
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
